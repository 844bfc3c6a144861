from __future__ import annotations

import json
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.testclient import TestClient

from topfive import flows
from topfive.records import Board

RUN = "/runs/alexnet-tiny-0123456789"
HOSTILE_KEY = "\"><img src=x onerror=document.title='owned'>"
PAGES = [
    "/",
    "/board",
    "/classes",
    "/classes?q=cat",
    "/classes/n02123045",
    "/classes/n02083346",
    "/systems",
    RUN,
    "/report",
]
TWINS = ["/board.json", "/report.json", "/classes.json", "/classes/n02123045.json", "/systems.json", RUN + ".json"]
SECRET = "vault-canary-7f3a"


class Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_in_html(client: TestClient, path: str) -> None:
    found = client.get(path)
    assert found.status_code == 200
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["cache-control"] == "no-cache"
    page = Page(found.text)
    assert not [tag for tag, _ in page.tags if tag == "script"]
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("/", "#", "data:")), value


def test_pages_have_landmarks_and_one_heading(client: TestClient) -> None:
    for path in PAGES[:-1]:
        tags = [tag for tag, _ in Page(client.get(path).text).tags]
        assert [tags.count(tag) for tag in ("main", "nav", "header", "footer", "h1")] == [1] * 5, path
        assert tags.count("table") == tags.count("caption")


def test_the_board_twin_is_the_commands_json(client: TestClient, workspace: Path) -> None:
    value = client.get("/board.json").json()
    assert value == json.loads(json.dumps(flows.show_board(workspace)))
    assert value == json.loads(json.dumps(Board.read(workspace / "board.json").to_json()))
    assert client.get("/report.json").json() == value


def test_the_other_twins_are_the_commands_json(client: TestClient, workspace: Path) -> None:
    assert client.get("/systems.json").json() == json.loads(json.dumps(flows.show_systems()))
    assert client.get("/classes/n02123045.json").json() == json.loads(json.dumps(flows.show_class("n02123045")))
    assert client.get(RUN + ".json").json() == json.loads(
        json.dumps(flows.show_run(workspace, RUN.removeprefix("/runs/")))
    )


def test_a_twin_has_the_bytes_that_the_command_prints(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    output = pytest.importorskip("topfive.cli.output")
    output.print_json(flows.show_systems())
    assert client.get("/systems.json").text == capsys.readouterr().out


@pytest.mark.parametrize("path", TWINS)
def test_every_page_names_its_twin(client: TestClient, path: str) -> None:
    assert client.get(path).headers["content-type"] == "application/json"
    if path == "/report.json":
        return
    page = Page(client.get(path.removesuffix(".json")).text)
    assert {"rel": "alternate", "type": "application/json", "href": path} in [attributes for _, attributes in page.tags]


def test_the_board_shows_errors_intervals_and_the_published_figure(client: TestClient) -> None:
    page = Page(client.get("/").text)
    words = " ".join(page.words.split())
    assert "25.0 11.0–47.0" in words.replace("25.011.0", "25.0 11.0")
    assert "15.3 top-5" in words
    assert "chance 83.3" in words
    assert ("a", {"href": RUN}) in page.tags


def test_a_run_shows_recipe_digests_scores_and_classes(client: TestClient) -> None:
    words = " ".join(Page(client.get(RUN).text).words.split())
    for part in (
        "alexnet:tiny",
        "50.0 % top-1 error (25.0–75.0)",
        "lr",
        "0.05",
        "c" * 64,
        "tiger cat",
        "ilsvrc-top5/1",
    ):
        assert part in words, part


def test_a_run_that_was_not_scored_is_a_page(client: TestClient, workspace: Path, tmp_path: Path) -> None:
    from topfive.web import create_app

    (tmp_path / "public").symlink_to(workspace / "public")
    folder = tmp_path / "runs" / "resnet-1"
    folder.mkdir(parents=True)
    value = json.loads((workspace / RUN[1:] / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(value | {"run_id": "resnet-1", "started": "2026", "commit": "abc"}))
    found = TestClient(create_app(tmp_path)).get("/runs/resnet-1")
    assert found.status_code == 200
    assert "top-1 error" not in found.text


def test_classes_show_names_counts_and_what_is_sealed(client: TestClient) -> None:
    words = " ".join(Page(client.get("/classes").text).words.split())
    assert "6 classes of made-up set" in words
    assert "The labels of the 18 images in test are sealed." in words
    assert "tabby n02123045 5 train, 2 val" in words
    value = client.get("/classes.json").json()
    assert value["n_hidden"] == {"test": 18}
    assert value["classes"][2] == {
        "class_index": 2, "wnid": "n02123045", "name": "tabby", "n_images": {"train": 5, "val": 2}
    }  # fmt: skip


def test_classes_are_found_by_name_or_key(client: TestClient) -> None:
    assert [tag for tag, _ in Page(client.get("/classes?q=CAT").text).tags].count("li") == 4 + 1
    assert [tag for tag, _ in Page(client.get("/classes?q=n0144").text).tags].count("li") == 4 + 2
    assert [tag for tag, _ in Page(client.get("/classes?q=zebra").text).tags].count("li") == 4


def test_a_class_shows_its_place_in_wordnet_and_its_pictures(client: TestClient) -> None:
    page = Page(client.get("/classes/n02123045").text)
    assert "domestic cat" in page.words
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 7
    assert images[0]["src"] == "/thumbnails/train_2_0.jpg"
    assert images[0]["alt"] == "Labelled tabby"
    assert images[0]["loading"] == "lazy"


def test_a_synset_above_the_classes_is_a_page_without_pictures(client: TestClient) -> None:
    page = Page(client.get("/classes/n02083346").text)
    assert "canine" in page.words
    assert "no class of this set" in page.words
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_a_class_that_wordnet_does_not_know_is_a_page_with_pictures(client: TestClient) -> None:
    found = client.get("/classes/" + quote(HOSTILE_KEY, safe=""))
    assert found.status_code == 200
    page = Page(found.text)
    assert "not a synset of WordNet 3.0" in page.words
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 7
    assert client.get("/classes/" + quote(HOSTILE_KEY, safe="") + ".json").status_code == 404


def test_thumbnails_are_jpegs_of_our_own_making(client: TestClient, workspace: Path) -> None:
    found = client.get("/thumbnails/train_2_0.jpg")
    assert found.status_code == 200
    assert found.headers["content-type"] == "image/jpeg"
    assert found.content != (workspace / "public" / "images" / "train-2-0.jpg").read_bytes()
    with Image.open(BytesIO(found.content)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (192, 144)
    assert client.get("/thumbnails/" + quote("train_<b>&0", safe="") + ".jpg").status_code == 200
    assert client.get("/thumbnails/train_2_0.jpg").content == found.content


def test_a_picture_whose_label_is_sealed_is_not_served(client: TestClient) -> None:
    assert client.get("/thumbnails/test_2_0.jpg").status_code == 404


def test_nothing_of_the_vault_is_ever_sent(client: TestClient) -> None:
    for path in (*PAGES, *TWINS, "/vault/truth.json", "/../vault/truth.json", "/public/../vault/truth.json"):
        assert SECRET not in client.get(path).text


def test_the_report_is_served_under_a_policy_of_its_own(client: TestClient) -> None:
    found = client.get("/report")
    policy = found.headers["content-security-policy"]
    assert "style-src 'sha256-" in policy
    assert "script" not in policy
    assert "unsafe" not in policy


def test_the_style_sheet_is_kept_under_its_version_only(client: TestClient) -> None:
    (sheet,) = (
        a["href"] for tag, a in Page(client.get("/").text).tags if tag == "link" and a.get("rel") == "stylesheet"
    )
    assert sheet is not None
    assert "immutable" in client.get(sheet).headers["cache-control"]
    assert client.get("/style.css").headers["cache-control"] == "no-cache"
    assert client.get("/style.css").headers["content-type"] == "text/css; charset=utf-8"


def test_a_workspace_that_changes_is_read_anew(tmp_path: Path, workspace: Path) -> None:
    import os
    import shutil

    from topfive.records import Dataset
    from topfive.web import create_app

    shutil.copytree(workspace, tmp_path / "w")
    client = TestClient(create_app(tmp_path / "w"))
    assert client.get("/classes.json").json()["classes"][0]["n_images"] == {"train": 5, "val": 2}
    folder = tmp_path / "w" / "public"
    dataset = Dataset.read(folder)
    dataset.manifest.rows("train").write(folder / "manifest.parquet")
    stamp = (folder / "manifest.parquet").stat().st_mtime_ns + 1_000_000
    os.utime(folder / "manifest.parquet", ns=(stamp, stamp))
    assert client.get("/classes.json").json()["classes"][0]["n_images"] == {"train": 5}
