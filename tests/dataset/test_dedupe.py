"""Duplicates: what is one picture is found, what is not is left, and nothing moves when a set grows."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from topfive import flows
from topfive.cli import main
from topfive.dataset import dedupe, import_source, make_twin, read_planted, write_deduped
from topfive.dataset.dedupe import MOST
from topfive.dataset.fingerprints import THUMB, describe, fingerprints
from topfive.dataset.near import GRAIN, MOST_BITS, components, distance, even, grain, near_pairs
from topfive.dataset.twin import TwinRecipe
from topfive.records import BadInput, Dataset


def drawn(seed: int, size: int = 96) -> Image.Image:
    """A picture like no other: coarse blobs of colour under finer ones."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((size, size), Image.BICUBIC)
    fine = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).resize((size, size), Image.BICUBIC)
    return Image.blend(coarse, fine, 0.25)


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def imported(folder: Path, files: dict[str, bytes]) -> Dataset:
    source, out = folder / "source", folder / "set"
    for name, data in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    import_source(source, out)
    return Dataset.read(out)


def pairs(found: object) -> set[tuple[str, str, str]]:
    return {(pair.image_id, pair.copy_of, pair.how) for pair in found.pairs}  # type: ignore[attr-defined]


@pytest.fixture
def copies(tmp_path: Path) -> Dataset:
    first = drawn(1)
    return imported(
        tmp_path,
        {
            "train/a/one.jpg": jpeg(first),
            "train/a/two.jpg": jpeg(drawn(2)),
            "train/b/same.jpg": jpeg(first),
            "train/b/other.jpg": jpeg(drawn(3)),
            "val/a/small.jpg": jpeg(first.resize((48, 48), Image.BICUBIC), 60),
            "val/a/pixels.png": png(Image.open(io.BytesIO(jpeg(drawn(2))))),
            "val/b/alone.jpg": jpeg(drawn(4)),
        },
    )


def test_bytes_pixels_and_near_copies_are_told_apart(copies: Dataset) -> None:
    found = dedupe(copies)
    assert pairs(found) == {("same", "one", "bytes"), ("small", "one", "near"), ("pixels", "two", "pixels")}
    group = dict(zip(copies.manifest.ids, found.group, strict=True))
    assert group["small"] == group["same"] == group["one"] and group["pixels"] == group["two"]
    assert len({group[one] for one in ("one", "two", "other", "alone")}) == 4
    facts = found.to_json()
    assert (facts["n_groups"], facts["n_across_splits"], facts["n_label_conflicts"]) == (2, 2, 1)
    assert facts["n_duplicates"] == 3


def test_the_copy_in_the_split_that_is_scored_stays(copies: Dataset, tmp_path: Path) -> None:
    kept = write_deduped(dedupe(copies), tmp_path / "out", drop=True)
    assert sorted(kept.manifest.ids) == ["alone", "other", "pixels", "small"]
    assert not dedupe(kept).pairs
    together = write_deduped(dedupe(copies), tmp_path / "grouped", drop=False)
    assert len(together.manifest) == 7
    assert [Path(box).is_file() for box in together.manifest.column("container")] == [True] * 7


def test_exact_only_leaves_the_near_copy(copies: Dataset) -> None:
    assert {how for *_, how in pairs(dedupe(copies, near=False))} == {"bytes", "pixels"}


def test_a_set_that_grows_keeps_its_groups(copies: Dataset, tmp_path: Path) -> None:
    before = write_deduped(dedupe(copies), tmp_path / "before", drop=False)
    (tmp_path / "source/train/a/aa.jpg").write_bytes(jpeg(drawn(4), 50))
    import_source(tmp_path / "source", tmp_path / "grown")
    grown = Dataset.read(tmp_path / "grown")
    found = dedupe(grown, known=before)
    group = dict(zip(grown.manifest.ids, found.group, strict=True))
    old = dict(zip(before.manifest.ids, before.manifest.column("group"), strict=True))
    assert {one: group[one] for one in old} == old
    assert group["aa"] == old["alone"]  # though `aa` stands first in the grown set


def test_a_set_written_without_copies_hands_its_fingerprints_on(copies: Dataset, tmp_path: Path) -> None:
    before = write_deduped(dedupe(copies), tmp_path / "before", drop=True)
    grown, gone = tmp_path / "grown", copies.root / "fingerprints"
    import_source(tmp_path / "source", grown)
    shutil.rmtree(gone)
    told: list[float] = []
    found = dedupe(Dataset.read(grown), known=before, progress=lambda what, done, total, unit="": told.append(done))
    assert told[0] == 4, "those that were kept"
    assert found.to_json()["n_groups"] == 2


def test_a_stray_part_is_removed_and_no_threads_are_refused(copies: Dataset) -> None:
    folder = copies.root / "fingerprints"
    folder.mkdir()
    (folder / ".part-00000.parquet.abcdefgh.part").write_text("half")
    (folder / "part-old.parquet").write_text("no table")
    fingerprints(copies)
    assert sorted(path.name for path in folder.iterdir()) == ["part-00000.parquet", "part-old.parquet"]
    with pytest.raises(BadInput, match="0 processes"):
        fingerprints(copies, workers=0)


def test_things_of_one_outline_are_not_one_picture() -> None:
    rng = np.random.default_rng(0)
    ground = np.zeros((16, 16), dtype=np.uint8)
    ground[2:14, 5:11] = 200
    thumbs = np.full((2, THUMB), 128, dtype=np.uint8)
    for thumb in thumbs:
        pattern = np.where(ground > 0, rng.integers(-12, 13, (16, 16)), 0)
        thumb[:256] = (ground + pattern).clip(0, 255).astype(np.uint8).ravel()
    a, b = (thumb[:256].reshape(16, 16).astype(float) for thumb in thumbs)
    step = a - b
    detail = [step[r, c] - step[r - 1 : r + 2, c - 1 : c + 2].mean() for r in range(1, 15) for c in range(1, 15)]
    assert distance(thumbs[0], thumbs[1]) == pytest.approx(1.8 * np.sqrt(np.mean(np.square(detail))))
    assert distance(thumbs[0], thumbs[1]) > MOST


def test_out_that_is_there_is_refused_before_the_search(copies: Dataset) -> None:
    with pytest.raises(BadInput, match="is there already"):
        flows.dedupe(copies, out=copies.root)
    assert not (copies.root / "fingerprints").exists()


def test_a_sheet_leaves_out_what_does_not_decode(tmp_path: Path) -> None:
    page = b"<html></html>"
    dataset = imported(tmp_path, {"a/one.jpg": page, "a/two.jpg": page, "a/three.jpg": jpeg(drawn(1))})
    facts = flows.dedupe(dataset, sheet=tmp_path / "none.png")
    assert facts["n_bytes"] == 1 and facts["n_unread"] == 2 and "sheet" not in facts


def test_what_was_fingerprinted_is_not_read_again(copies: Dataset) -> None:
    found = fingerprints(copies)
    shutil.rmtree(copies.root.parent / "source")
    again = fingerprints(copies)
    assert (again.hash == found.hash).all() and (again.thumb == found.thumb).all()
    part = next((copies.root / "fingerprints").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(BadInput, match="cannot be read"):
        fingerprints(copies)


def test_a_picture_that_does_not_decode_is_named_and_joins_nothing(tmp_path: Path) -> None:
    whole = jpeg(drawn(1))
    dataset = imported(tmp_path, {"a/good.jpg": whole, "a/cut.jpg": whole[:300], "a/page.jpg": b"<html></html>"})
    found = dedupe(dataset)
    assert set(found.unread) == {"cut", "page"} and not found.pairs


def hashes_of(values: list[int]) -> NDArray[np.uint64]:
    return np.array(values, dtype=np.uint64)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12),
    st.lists(st.sets(st.integers(0, 63), max_size=14), max_size=12),
)
def test_links_are_those_of_a_comparison_of_all_pairs(bases: list[int], flips: list[set[int]]) -> None:
    near_by = [bases[i % len(bases)] ^ sum(1 << bit for bit in bits) for i, bits in enumerate(flips)]
    hashes = hashes_of(bases + near_by)
    thumbs = np.full((len(hashes), THUMB), 90, dtype=np.uint8)  # alike: hashes alone decide
    root, links = components(hashes, thumbs, most=1.0)
    linked = list(range(len(hashes)))
    for i in range(len(hashes)):
        for j in range(i):
            if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= MOST_BITS:
                low, high = sorted((linked[i], linked[j]))
                linked = [low if one == high else one for one in linked]
    assert (root[:, None] == root).tolist() == [[a == b for b in linked] for a in linked]
    assert len(links) == len(hashes) - len(set(root.tolist()))
    assert all((int(hashes[i]) ^ int(hashes[j])).bit_count() <= MOST_BITS for i, j in links)


def shuffled(dataset: Dataset, seed: int) -> Dataset:
    order = np.random.default_rng(seed).permutation(len(dataset.manifest))
    return Dataset(dataset.root, dataset.manifest.take(order), dataset.about)


def test_the_order_of_rows_says_nothing(copies: Dataset) -> None:
    found = dedupe(copies)
    group, keep = (dict(zip(copies.manifest.ids, part, strict=True)) for part in (found.group, found.keep.tolist()))
    for seed in range(5):
        other = shuffled(copies, seed)
        again = dedupe(other)
        assert dict(zip(other.manifest.ids, again.group, strict=True)) == group
        assert dict(zip(other.manifest.ids, again.keep.tolist(), strict=True)) == keep
        assert again.pairs == found.pairs and set(again.conflicts) == set(found.conflicts)


def test_a_new_picture_joins_the_nearer_of_two_fixed_groups_in_any_order(tmp_path: Path) -> None:
    base = drawn(1)
    steps = [Image.blend(base, drawn(2), share) for share in (0.0, 0.01, 0.03)]
    files = {f"a/{name}.png": png(step) for name, step in zip(("old1", "between", "old2"), steps, strict=True)}
    grown = imported(tmp_path, files)
    old = np.array([row for row, one in enumerate(grown.manifest.ids) if one != "between"])
    rows = grown.manifest.take(old)
    known = Dataset(grown.root, rows.with_column("group", [f"group of {one}" for one in rows.ids]), grown.about)
    for seed in range(6):
        other = shuffled(grown, seed)
        found = dedupe(other, known=known)
        group = dict(zip(other.manifest.ids, found.group, strict=True))
        assert group == {"old1": "group of old1", "between": "group of old1", "old2": "group of old2"}
        assert {(pair.image_id, pair.copy_of) for pair in found.bridged} == {("old2", "old1"), ("old2", "between")}


def test_pictures_of_one_colour_are_joined_by_their_pixels_alone(tmp_path: Path) -> None:
    greys = {f"a/grey{value:03d}.png": png(Image.new("RGB", (40, 40), (value,) * 3)) for value in range(0, 250, 10)}
    other = {
        "a/larger.png": png(Image.new("RGB", (80, 40), (100,) * 3)),
        "a/lossy.jpg": jpeg(Image.new("RGB", (40, 40), (100, 101, 99)), 40),
        "a/same.png": png(Image.new("RGB", (40, 40), (50,) * 3)),
        "a/pixel.png": png(Image.new("RGB", (1, 1), (100,) * 3)),
        "a/also.png": png(Image.new("RGB", (1, 1), (101,) * 3)),
    }
    found = dedupe(imported(tmp_path, greys | other))
    assert pairs(found) == {("same", "grey050", "bytes")}


def test_even_by_hand() -> None:
    thumbs = np.full((4, THUMB), 128, dtype=np.uint8)
    thumbs[1, 0] = 128 + 12  # deviation 12 sqrt(1/256 - 1/256^2) = 0.75
    thumbs[2, 0] = 128 + 18  # 1.12
    thumbs[3, 256:288] = 131  # half of one colour 3 off: 1.5
    assert even(thumbs).tolist() == [True, True, False, False]


def test_unlike_labels_are_told_with_their_wnids(copies: Dataset) -> None:
    found = dedupe(copies)
    ids, wnids = found.conflicts[0].image_ids, found.conflicts[0].wnids
    label = dict(zip(copies.manifest.ids, copies.manifest.class_index.tolist(), strict=True))
    assert len(found.conflicts) == 1 and set(ids) == {"one", "same", "small"}
    assert list(wnids) == [copies.classes.wnids[label[one]] for one in ids]
    assert found.to_json()["label_conflicts"][0]["group"] == "one"


def test_what_is_dropped_is_told_by_split(tmp_path: Path) -> None:
    first = drawn(1)
    files = {f"test/a/t{n}.jpg": jpeg(first, 60 + n) for n in range(3)} | {"train/a/x.jpg": jpeg(first, 90)}
    dataset = imported(tmp_path, files)
    facts = flows.dedupe(dataset, out=tmp_path / "out", drop=True)
    assert facts["n_dropped"] == {"test": 2, "train": 1}
    assert Dataset.read(tmp_path / "out").manifest.column("split").tolist() == ["test"]
    assert "n_dropped" not in flows.dedupe(dataset)


def page(seed: int, *, full: bool = False) -> Image.Image:
    """A page of words in lines, ragged or `full`."""
    words = ("the", "of", "and", "to", "in", "that", "is", "was", "he", "for", "with", "his", "on", "had", "which")
    rng, font = np.random.default_rng(seed), ImageFont.load_default(14)
    image = Image.new("RGB", (480, 640), "white")
    for line in range(28):
        text = " ".join(rng.choice(words, 9))
        while full and font.getlength(text) < 390:
            text += f" {rng.choice(words)}"
        ImageDraw.Draw(image).text((40, 30 + 20 * line), text, fill="black", font=font)
    return image


def lines(seed: int) -> Image.Image:
    """Six black lines on white."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (256, 256), "white")
    for _ in range(6):
        ends = [(int(x), int(y)) for x, y in rng.integers(20, 236, (2, 2))]
        ImageDraw.Draw(image).line(ends, fill="black", width=2)
    return image


def test_pages_of_text_and_line_drawings_are_told_apart(tmp_path: Path) -> None:
    files = {f"a/page{seed:02d}.png": png(page(seed)) for seed in range(20)}
    files |= {f"a/lines{seed:02d}.png": png(lines(seed)) for seed in range(20)}
    copied = {"a/page03small.jpg": jpeg(page(3).resize((240, 320)), 70), "a/lines05small.jpg": jpeg(lines(5), 60)}
    found = dedupe(imported(tmp_path, files | copied))
    assert pairs(found) == {("page03small", "page03", "near"), ("lines05small", "lines05", "near")}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=9), st.integers(0, 2**32 - 1))
def test_all_near_pairs_are_those_of_two_loops(kinds: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    bases = rng.integers(0, 256, (3, THUMB))
    thumbs = np.clip(bases[kinds] + rng.integers(-1, 2, (len(kinds), THUMB)), 0, 255).astype(np.uint8)
    hashes = hashes_of([kind * 0xFFFF for kind in kinds])
    slow = [
        (i, j)
        for i in range(len(kinds))
        for j in range(i + 1, len(kinds))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= MOST_BITS and distance(thumbs[i], thumbs[j]) <= MOST
    ]
    assert [tuple(pair) for pair in near_pairs(hashes, thumbs, most=MOST).tolist()] == slow


def test_distance_by_hand() -> None:
    a = np.full(THUMB, 100, dtype=np.uint8)
    b = a.copy()
    assert distance(a, b) == 0.0
    b[256:] = 110  # colour alone: half of 10
    assert distance(a, b) == pytest.approx(5.0)
    a[:256:2], b[:256] = 140, 100  # brightness 100 and 140 in turn (mean 120, deviation 20) against 100 everywhere
    assert distance(a, b) == pytest.approx(20 * 40 / 4 + 5 + 2)
    assert distance(a, b) == distance(b, a)


def slow_grain(thumb: NDArray[np.uint8]) -> NDArray[np.float64]:
    picture = thumb[:256].reshape(16, 16).astype(float)
    detail = np.array(
        [[picture[r, c] - picture[r - 1 : r + 2, c - 1 : c + 2].mean() for c in range(1, 15)] for r in range(1, 15)]
    )
    detail -= detail.mean(axis=1, keepdims=True)
    return detail - detail.mean(axis=0, keepdims=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_grain_is_that_of_two_loops_and_its_correlation_a_distance(seed: int, noise: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(100, 124, THUMB)
    thumbs = (base + rng.integers(0, noise + 1, (2, THUMB))).astype(np.uint8)
    a, b = (slow_grain(thumb) for thumb in thumbs)
    assert [grain(thumb) for thumb in thumbs] == pytest.approx([np.sqrt(np.mean(part**2)) for part in (a, b)])
    off = 32.0 * (1.0 - np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))
    assert distance(thumbs[0], thumbs[1]) >= min(off - 1e-9, 16.0)


def test_stripes_and_lines_have_no_grain() -> None:
    thumbs = np.full((3, 16, 16), 90, dtype=np.uint8)
    thumbs[0, ::2] = 160
    thumbs[1, :, 3:7] = 40
    thumbs[2] = np.arange(16)[:, None] * 4 + np.arange(16) * 3
    flat = np.full((3, THUMB), 128, dtype=np.uint8)
    flat[:, :256] = thumbs.reshape(3, 256)
    assert max(map(grain, flat)) < 1e-6 < GRAIN


def test_full_pages_of_text_are_told_apart(tmp_path: Path) -> None:
    files = {f"a/page{seed:02d}.png": png(page(seed, full=True)) for seed in range(24)}
    copied = {"a/page03small.jpg": jpeg(page(3, full=True).resize((240, 320), Image.BICUBIC), 60)}
    assert pairs(dedupe(imported(tmp_path, files | copied))) == {("page03small", "page03", "near")}


def test_hashes_say_nothing_of_size_and_brightness() -> None:
    small = np.stack([np.asarray(drawn(seed, 32)) for seed in range(5)])
    _, hashes = describe(small)
    _, darker = describe((small * 0.6).astype(np.uint8))
    assert max((int(a) ^ int(b)).bit_count() for a, b in zip(hashes, darker, strict=True)) <= 4
    assert all((int(hashes[0]) ^ int(h)).bit_count() > MOST_BITS for h in hashes[1:])


@pytest.mark.slow
def test_planted_copies_are_found_and_nothing_else(tmp_path: Path) -> None:
    twin = make_twin(
        tmp_path / "twin", TwinRecipe(classes=12, train=150, val=30, test=30, size=48, duplicates=0.04, seed=3)
    )
    found = dedupe(twin)
    group = dict(zip(twin.manifest.ids, found.group, strict=True))
    planted = read_planted(twin.root)
    known: dict[str, list[bool]] = {"same bytes": [], "re-encoded": [], "resized": [], "re-rendered": []}
    together = {one: one for one in twin.manifest.ids}
    for one, partner, detail in zip(planted.image_id, planted.partner, planted.detail, strict=True):
        if partner:
            known[detail.split(" from ")[0]].append(group[one] == group[partner])
            together[one] = together[partner]
    assert all(known["same bytes"]) and len(known["same bytes"]) > 20
    assert np.mean(known["re-encoded"] + known["resized"]) >= 0.99
    wrong = [pair for pair in found.pairs if together[pair.image_id] != together[pair.copy_of]]
    assert len(wrong) < len(twin.manifest) / 1000, wrong


def test_the_command(copies: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, out = tmp_path / "pairs.png", tmp_path / "out"
    command = ["dataset", "dedupe", str(copies.root), "--drop"]
    with pytest.raises(SystemExit) as done:
        main([*command, "--out", str(out), "--sheet", str(sheet), "--json"])
    assert not done.value.code
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_written"] == 4 and facts["n_near"] == 1
    with Image.open(sheet) as shown:
        assert shown.width > 200
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert stopped.value.code == 2


def test_a_search_without_pairs_draws_no_sheet(tmp_path: Path) -> None:
    dataset = imported(tmp_path, {"a/one.jpg": jpeg(drawn(1)), "a/two.jpg": jpeg(drawn(2))})
    facts = flows.dedupe(dataset, sheet=tmp_path / "none.png")
    assert facts["n_duplicates"] == 0 and "sheet" not in facts and not (tmp_path / "none.png").exists()
