from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from topfive.records import BadInput, Board
from topfive.reports import (
    Confusion,
    Label,
    Picture,
    ReportContent,
    render_report,
    small_jpeg,
    style_hash,
    write_report,
)
from topfive.reports.report import PICTURES_BYTES


class Outline(HTMLParser):
    """What the tests ask of a page: its tags, headings in order, images, links, style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.style = ""
        self._in: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._in and self._in[-1] == "style":
            self.style += data
        else:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    found = outline(page)
    assert not found.all("script")
    assert all("style" not in attributes for _, attributes in found.tags)
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    for _, attributes in found.tags:
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), value
    (policy,) = (meta["content"] for meta in found.all("meta") if meta.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src '{style_hash(found.style)}'" in policy
    assert "unsafe" not in policy


def test_headings_in_order_landmarks_and_alternative_texts(page: str) -> None:
    found = outline(page)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(image.get("alt") for image in found.all("img"))
    assert len(found.all("main")) == 1
    assert found.all("html")[0]["lang"] == "en"
    targets = {attributes.get("id") for _, attributes in found.tags}
    assert all(link["href"][1:] in targets for link in found.all("a") if link["href"])  # type: ignore[index]
    assert len(found.all("table")) == len(found.all("caption"))
    assert all(cell.get("scope") for cell in found.all("th"))


def test_every_number_and_both_labels_are_there(page: str) -> None:
    text = re.sub(r"\s+", " ", " ".join(outline(page).text))
    for words in (
        "linear_probe errs least: 4.1 % top-1 error (3.0–5.5) on 1,000 images",
        "no evidence about history",
        "Tuned: texture contrast",
        "90.02 %",
        "46,837 images with a reassessed label, 7,443 of them",
        "tape player",
        "Four of five places are apart",
        "−8.8 −11.0 to −6.6",
        "71 of 1,000 labels in test are suspect",
        "83.3 69.3–91.7",
        "cricket called grasshopper",
        "labelled n02229544",
        "guessed n02226429",
        "topfive run --out runs/main --seed 0",
        "linear_probe-0000000001",
        "3 min 7 s",
    ):
        assert words in text.replace("\u00a0", " "), words


def test_hostile_names_are_text(page: str, hostile: str) -> None:
    assert "<script" not in page
    assert hostile in " ".join(outline(page).text)


def test_a_board_ranked_by_top5_says_so(make_content: Callable[..., ReportContent]) -> None:
    content = make_content()
    board = Board("By top-5", content.board.rows, content.board.reference, {"rank_by": "top5"})
    text = re.sub(r"\s+", " ", " ".join(outline(render_report(make_content(board=board, published=()))).text))
    assert "linear_probe errs least: 0.0 % top-5 error (0.0–0.4)" in text
    assert "Ranked by top-5 error" in text


def test_parts_that_are_missing_leave_no_heading(make_content: Callable[..., ReportContent]) -> None:
    bare = make_content(
        board=Board("Empty", (), {}), published=(), tests=(), confusions=(), label_audit=None, imagenet=None
    )
    found = outline(render_report(bare))
    headings = [attributes.get("id") for tag, attributes in found.tags if tag == "h2"]
    assert headings == ["trajectory", "making"]


def test_pictures_are_small_and_encoded_anew(picture: Callable[..., bytes]) -> None:
    from io import BytesIO

    from PIL import Image

    original = picture(3, 900)
    with Image.open(BytesIO(small_jpeg(original, "x", 64))) as found:
        assert found.format == "JPEG"
        assert found.size == (64, 64)
    tiny = picture(3, 40)
    with Image.open(BytesIO(small_jpeg(tiny, "x"))) as found:
        assert found.size == (40, 40), "never blown up"


def test_a_picture_that_does_not_decode_is_named_and_nothing_is_written(
    make_content: Callable[..., ReportContent], tmp_path: Path
) -> None:
    label = Label("n01", "one")
    broken = Confusion("resnet", label, label, 1, 2, (Picture("broken_7", b"\xff\xd8nothing", label),))
    with pytest.raises(BadInput, match="broken_7"):
        write_report(make_content(confusions=(broken,)), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_pictures_stop_at_the_allowance(
    make_content: Callable[..., ReportContent], page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(page) < PICTURES_BYTES
    monkeypatch.setattr("topfive.reports.report.PICTURES_BYTES", 10_000)
    found = outline(render_report(make_content(published=())))
    assert 0 < sum(len(image["src"] or "") for image in found.all("img")) <= 10_000
    assert "not shown" in " ".join(found.text)


def test_write_report_is_one_file(content: ReportContent, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    write_report(content, path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [found.name for found in path.parent.iterdir()] == ["report.html"]
