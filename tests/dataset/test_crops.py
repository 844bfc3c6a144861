"""Crops and mirrors: found where pixels lie on one another, by whatever network says which pairs to look at."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from topfive.dataset import Embedding, dedupe, import_source, write_deduped
from topfive.dataset.crops import confirmed
from topfive.dataset.dedupe import MOST
from topfive.dataset.embeddings import NEIGHBOURS, WIDTH, candidates, embeddings, projected
from topfive.dataset.fingerprints import fingerprints
from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, View


def drawn(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse, fine = (
        Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
        for n in (5, 20)
    )
    return Image.blend(coarse, fine, 0.35)


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def nearest(queries: NDArray[Any], rows: NDArray[Any], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    product = queries.astype(np.float64) @ rows.T.astype(np.float64)
    index = np.argsort(-product, axis=1, kind="stable")[:, :k]
    return index, np.take_along_axis(product, index, axis=1).astype(np.float32)


def colours(dataset: Dataset, seen: list[int]) -> Embedding:
    """A network of sorts: how often each of 27 colours is there, which no mirror and hardly a crop changes."""

    def look(rows: NDArray[np.int64], progress: object) -> NDArray[np.float32]:
        seen.extend(rows.tolist())
        pictures = Pictures(dataset, dataset.manifest.take(rows), labels=False)
        view = View(32, 32, squash=True)
        images = np.stack([pictures.seen(i, view) for i in range(len(rows))])
        code = (images // 86 @ np.array([9, 3, 1], dtype=np.uint8)).reshape(len(rows), -1)
        return np.stack([np.bincount(one, minlength=27) for one in code]).astype(np.float32)

    return Embedding("colours", look, nearest)


def imported(folder: Path, files: dict[str, bytes]) -> Dataset:
    for name, data in files.items():
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes(data)
    import_source(folder / "source", folder / "set")
    return Dataset.read(folder / "set")


@pytest.fixture
def copies(tmp_path: Path) -> Dataset:
    one, two, three = drawn(1), drawn(2), drawn(3)
    return imported(
        tmp_path,
        {f"train/a/{seed:02d}.jpg": jpeg(drawn(seed)) for seed in range(1, 16)}
        | {
            "train/b/centre.jpg": jpeg(one.crop((20, 15, 140, 105)), 70),
            "val/a/corner.jpg": jpeg(two.crop((46, 34, 160, 120)), 80),
            "val/a/mirror.jpg": jpeg(mirrored(three).resize((220, 165), Image.BICUBIC), 60),
            "val/a/part-mirrored.jpg": jpeg(mirrored(drawn(4)).crop((0, 0, 130, 100)), 75),
            "val/a/small.jpg": jpeg(drawn(5).resize((80, 60), Image.BICUBIC), 60),
        },
    )


FOUND = {
    ("centre", "01", "crop"),
    ("corner", "02", "crop"),
    ("mirror", "03", "mirror"),
    ("part-mirrored", "04", "mirror"),
    ("small", "05", "near"),
}


def test_parts_and_mirrors_are_found_and_told_apart(copies: Dataset) -> None:
    assert {pair.how for pair in dedupe(copies).pairs} == {"near"}
    seen: list[int] = []
    found = dedupe(copies, embedding=colours(copies, seen))
    assert {(pair.image_id, pair.copy_of, pair.how) for pair in found.pairs} == FOUND
    assert sorted(seen) == list(range(len(copies.manifest)))
    facts = found.to_json()
    assert (facts["n_near"], facts["n_crop"], facts["n_mirror"], facts["n_across_splits"]) == (1, 2, 2, 4)
    order = np.random.default_rng(0).permutation(len(copies.manifest))
    other = Dataset(copies.root, copies.manifest.take(order), copies.about)
    assert dedupe(other, embedding=colours(other, seen)).pairs == found.pairs
    assert len(seen) == len(order), "what was embedded is not looked at again"


def test_embeddings_go_with_the_set_that_grows(copies: Dataset, tmp_path: Path) -> None:
    seen: list[int] = []
    before = write_deduped(dedupe(copies, embedding=colours(copies, seen)), tmp_path / "before", drop=True)
    assert len(before.manifest) == len(copies.manifest) - 5
    shutil.rmtree(copies.root)
    (tmp_path / "source/val/a/new.jpg").write_bytes(jpeg(mirrored(drawn(9)), 80))
    import_source(tmp_path / "source", tmp_path / "grown")
    grown = Dataset.read(tmp_path / "grown")
    seen.clear()
    found = dedupe(grown, known=before, embedding=colours(grown, seen))
    assert len(seen) == 6, "the new picture, and the five copies that were dropped"
    assert {(pair.image_id, pair.copy_of, pair.how) for pair in found.pairs} >= {("new", "09", "mirror")}
    assert found.to_json()["n_groups"] == 6


def test_a_damaged_part_is_made_again_and_what_is_there_is_kept(copies: Dataset) -> None:
    seen: list[int] = []
    rows = np.arange(6)
    first = embeddings(copies, rows, colours(copies, seen))
    part = next((copies.root / "embeddings" / "colours").glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    again = embeddings(copies, np.arange(8), colours(copies, seen))
    assert len(seen) == 6 + 8 and (again[:6] == first).all()
    assert len(list(part.parent.glob("part-*.parquet"))) == 2


def test_a_network_without_numbers_is_refused(copies: Dataset) -> None:
    broken = Embedding("broken", lambda rows, progress: np.full((len(rows), 4), np.nan, np.float32), nearest)
    with pytest.raises(BadInput, match="finite"):
        dedupe(copies, embedding=broken)
    assert not list((copies.root / "embeddings" / "broken").glob("part-*"))


def test_soft_gradients_are_no_parts_of_one_another(tmp_path: Path) -> None:
    def sky(seed: int) -> Image.Image:
        rng = np.random.default_rng(seed)
        top, bottom = np.array([110.0, 150.0, 210.0]), np.array([190.0, 210.0, 235.0])
        down = np.linspace(0, 1, 120)[:, None, None] ** rng.uniform(0.8, 1.25)
        pixels = top + (bottom - top) * down + rng.normal(0, 2, (120, 160, 3))
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    dataset = imported(tmp_path, {f"a/{seed}.jpg": jpeg(sky(seed), 95) for seed in range(8)})
    every = np.array([(a, b) for b in range(8) for a in range(b)])
    assert not confirmed(dataset, fingerprints(dataset), every, most=MOST)


def test_a_set_of_one_or_none_has_no_candidates(tmp_path: Path) -> None:
    embedding = Embedding("none", lambda rows, progress: np.zeros((len(rows), 3), np.float32), nearest)
    for n in (0, 1):
        assert candidates(np.zeros((n, 3), np.float16), np.arange(n), embedding).shape == (0, 2)
    dataset = imported(tmp_path, {"a/one.jpg": jpeg(drawn(1)), "a/page.jpg": b"<html></html>"})
    found = dedupe(dataset, embedding=colours(dataset, []))
    assert not found.pairs and found.unread == ("page",)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_candidates_are_the_near_ones_of_a_loop(n: int, seed: int) -> None:
    values = projected(np.random.default_rng(seed).normal(0.4, 1.0, (n, 6)).astype(np.float32))
    exact = values.astype(np.float64)
    slow = set()
    for i in range(n):
        ranked = sorted(range(n), key=lambda j: (-float(np.float32(exact[i] @ exact[j])), j))[: NEIGHBOURS + 1]
        slow |= {(min(i, j), max(i, j)) for j in ranked if j != i and exact[i] @ exact[j] >= 0.5}
    found = candidates(values, np.arange(n), Embedding("", lambda rows, _: np.empty((0, 0), np.float32), nearest))
    assert {tuple(pair) for pair in found.tolist()} == slow


def test_projections_keep_angles_and_lengths() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(40, 1280))
    near = base + 0.4 * rng.normal(size=base.shape)
    before = np.sum(base * near, axis=1) / np.linalg.norm(base, axis=1) / np.linalg.norm(near, axis=1)
    a, b = (projected(part.astype(np.float32)).astype(np.float64) for part in (base, near))
    assert a.shape == (40, WIDTH)
    after = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert np.abs(after - before).max() < 0.05
    assert projected(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist() == [
        [pytest.approx(0.6, abs=1e-3), pytest.approx(0.8, abs=1e-3)],
        [0.0, 0.0],
    ]
