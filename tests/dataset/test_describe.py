"""The datasheet: every number against a slow count, and the page in a browser."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.releases import bare, manifest
from topfive import flows
from topfive.dataset.balance import balance
from topfive.dataset.describe import describe
from topfive.dataset.ilsvrc_counts import ilsvrc_train_counts
from topfive.records import UNKNOWN, Shares, Spread
from topfive.reports import render_datasheet

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_balance_by_hand() -> None:
    found = balance(np.array([1, 3, 0]))
    assert found is not None
    assert (found.n, found.n_without, found.fewest, found.median, found.most, found.ratio) == (3, 1, 0, 1.0, 3, None)
    # Sorted 0, 1, 3: (0 * -2 + 1 * 0 + 3 * 2) / (3 * 4).
    assert found.gini == pytest.approx(0.5)
    assert found.entropy == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))
    assert found.effective_squares == pytest.approx(1 / (0.0625 + 0.5625))
    even = balance(np.array([5, 5]))
    assert even is not None
    assert (even.gini, even.ratio) == (0.0, 1.0)
    assert (even.effective, even.effective_squares) == (pytest.approx(2.0), pytest.approx(2.0))
    one = balance(np.array([7]))
    assert one is not None
    assert (one.gini, one.entropy, one.effective) == (0.0, 0.0, 1.0)
    assert balance(np.array([0, 0])) is None
    assert balance(np.array([], dtype=np.int64)) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any))
def test_gini_is_the_mean_difference(counts: list[int]) -> None:
    found = balance(np.array(counts))
    assert found is not None
    n, total = len(counts), sum(counts)
    assert found.gini == pytest.approx(sum(abs(a - b) for a in counts for b in counts) / (2 * n * total))
    assert 1 - 1e-9 <= found.effective_squares <= found.effective + 1e-9 <= n + 1e-8


def test_ilsvrc_is_as_even_as_published() -> None:
    found = balance(ilsvrc_train_counts())
    assert found is not None
    assert (found.fewest, found.most) == (732, 1300)
    assert found.gini == pytest.approx(0.013785, abs=1e-6)
    assert found.effective == pytest.approx(998.347, abs=1e-3)
    assert found.effective_squares == pytest.approx(997.008, abs=1e-3)


N = 60


def columns() -> dict[str, list[object]]:
    return {
        "split": ["train"] * 40 + ["val"] * 12 + ["test"] * 8,
        "class_index": [0] * 30 + [1] * 10 + [0] * 12 + [UNKNOWN] * 8,
        "width": [0] * 5 + list(range(100, 155)),
        "height": [10] * N,
        "size": [1000 * (i + 1) for i in range(N)],
        "sha256": ["a" * 64, "a" * 64] + [f"{i:064x}" for i in range(2, 59)] + [f"{2:064x}"],
        "group": ["g", "g", ""] + [f"i{i}" for i in range(3, 59)] + ["i3"],
        "source": [f"x/{i}.JPEG" for i in range(50)] + [f"y/{i}.png" for i in range(10)],
        "licence": ["CC0"] * 20 + [""] * 40,
        "country": [("A", "B", None, "")[i % 4] for i in range(N)],
        "score": [None if i == 0 else i / 10 for i in range(N)],
        "tags": [["a", "b"]] * N,
    }


@pytest.mark.parametrize("row_group", [131_072, 16])
def test_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row_group: int) -> None:
    monkeypatch.setattr("topfive.records.manifest.ROW_GROUP", row_group)
    told = columns()
    dataset = bare(manifest(N, **told), tmp_path / "a", {"name": "sixty", "description": "Made up."})
    sheet = describe(dataset)
    assert (sheet.name, sheet.description, sheet.n_images, sheet.n_bytes) == ("sixty", "Made up.", N, 1_830_000)
    assert sheet.n_containers == 0
    assert sheet.class_counts.tolist() == [[30, 10, 0], [12, 0, 0], [0, 0, 0]]
    assert [(s.name, s.n_images, s.n_unlabelled, s.sealed) for s in sheet.splits] == [
        ("train", 40, 0, False),
        ("val", 12, 0, False),
        ("test", 8, 8, False),
    ]
    assert sheet.splits[2].balance is None
    width, height, size = sheet.sizes
    assert (width.n, width.n_missing, width.least, width.median, width.most) == (55, 5, 100, 127, 154)
    assert sum(width.counts) == 55
    assert (height.counts, height.least, height.most) == ((60,), 10, 10)
    assert (size.low, size.high) == tuple(np.quantile(told["size"], (0.05, 0.95)))
    licence, source, form = sheet.origins
    assert (licence.values, licence.n_missing, licence.n_values) == ((("CC0", 20),), 40, 1)
    assert (source.n_values, source.values) == (None, ()), "each image has one of its own: that is no origin"
    assert form.values == (("jpeg", 50), ("png", 10))
    country, score, tags = sheet.columns
    assert isinstance(country, Shares)
    assert isinstance(score, Spread)
    assert country.values == (("A", 15), ("B", 15))
    assert country.n_missing == 30
    assert (score.n, score.n_missing, score.most) == (59, 1, 5.9)
    assert (tags.name, tags.n_missing) == ("tags", 0)
    copies = sheet.copies
    assert (copies.n_hashed, copies.n_same_bytes, copies.n_bytes_across) == (60, 4, 1)
    assert (copies.n_groups, copies.n_grouped, copies.largest_group, copies.n_groups_across) == (58, 4, 2, 1)
    doubts = dict(sheet.doubts)
    assert doubts["images have no label, in splits that are not sealed"] == 8
    assert doubts["classes have no image in val"] == 2
    assert doubts["images say nothing of their licence"] == 40
    said = json.loads(json.dumps(sheet.to_json(), allow_nan=False))
    assert said["classes"][1] == {"wnid": "c1", "name": "class 1", "train": 10, "val": 0, "test": 0}
    assert said["columns"]["country"]["values"][0] == {"value": "A", "n": 15}
    assert said["n_classes"] == 2


def test_more_values_than_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topfive.dataset.describe._MOST_VALUES", 5)
    sheet = describe(bare(manifest(N, **columns()), tmp_path / "a"))
    assert (sheet.origins[1].n_values, sheet.origins[1].values) == (None, ())
    assert sheet.columns[0].n_values == 2


def test_a_sealed_split_has_no_doubts_about_its_labels(tmp_path: Path) -> None:
    sheet = describe(bare(manifest(N, **columns()), tmp_path / "a", {"sealed": {"test": {}}}))
    assert sheet.splits[2].sealed
    assert not [doubt for doubt in sheet.doubts if "no label" in doubt.what]


def test_an_empty_set_and_one_image(tmp_path: Path) -> None:
    for n in (0, 1):
        sheet = describe(bare(manifest(n), tmp_path / f"{n}"))
        assert sheet.n_images == n
        assert "<h1>" in render_datasheet(sheet)
        json.dumps(sheet.to_json(), allow_nan=False)


def test_the_page_escapes_and_says_all_values(tmp_path: Path) -> None:
    hostile = "<script>document.title='owned'</script>"
    told = columns() | {"country": [hostile if i % 2 else "B" for i in range(N)], "licence": [hostile] * N}
    page = render_datasheet(describe(bare(manifest(N, **told), tmp_path / "a", {"name": hostile})))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4
    assert "default-src 'none'" in page


def test_many_classes_show_the_extremes_only(tmp_path: Path) -> None:
    counts = Counter(min(i // 2, 1200) for i in range(3000))
    rows = manifest(3000, 1201, class_index=[min(i // 2, 1200) for i in range(3000)])
    page = render_datasheet(describe(bare(rows, tmp_path / "a")))
    assert "The ten largest classes and the ten smallest" in page
    assert page.count('<th scope="row">class ') == 20
    assert f'<td class="number">{counts[1200]}</td>' in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_offline(chromium: Browser, tmp_path: Path, width: int) -> None:
    flows.describe_set(bare(manifest(N, **columns()), tmp_path / "a"), tmp_path / "sheet.html")
    context = chromium.new_context(viewport={"width": width, "height": 844}, offline=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    page.goto((tmp_path / "sheet.html").as_uri())
    page.locator("details").evaluate("found => found.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.querySelectorAll('svg')].every(svg => svg.getAttribute('aria-label'))")
    assert said == []
    context.close()
