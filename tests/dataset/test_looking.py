"""A set is looked at in parts: whatever the parts and whoever does them, the report is that of reading file by file."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from topfive.dataset import VerifyReport, parts, verify
from topfive.dataset.parts import FilePart, cut, parts_of
from topfive.loading import jobs
from topfive.records import ClassList, Dataset, Manifest

N_LARGE, N_SMALL = 60, 7
WAYS = {"a part by a thread": (10_000, 1), "a part by threads": (10_000, 3), "parts here": (4, 1)}
WAYS |= {"parts here by threads": (4, 3), "parts by processes": (4, 2)}


def picture(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def tar(path: Path, files: list[bytes]) -> list[tuple[int, int]]:
    """Write them as an archive; offset and size of each."""
    places = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number, data in enumerate(files):
            info = tarfile.TarInfo(f"{number}.jpg")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            places.append((archive.offset - (len(data) + 511) // 512 * 512, len(data)))
    return places


def laid_out(root: Path) -> Dataset:
    """A large archive, a small one, two pictures that are files, and a file without pictures; two bad JPEGs."""
    files = {"large.tar": [picture(i) for i in range(N_LARGE)], "small.tar": [picture(100 + i) for i in range(N_SMALL)]}
    files["large.tar"][17] = files["large.tar"][17][:-30]
    files["small.tar"][2] = b"<html>" * 50
    rows: list[dict[str, Any]] = []
    entries = []
    for name, data in files.items():
        for (offset, size), one in zip(tar(root / name, data), data, strict=True):
            rows.append({"container": name, "offset": offset, "size": size, "sha256": hashlib.sha256(one).hexdigest()})
    for name in ("one.jpg", "two.jpg"):
        (root / name).write_bytes(one := picture(len(name) + ord(name[0])))
        rows.append({"container": name, "offset": 0, "size": len(one), "sha256": hashlib.sha256(one).hexdigest()})
    (root / "notes.txt").write_text("no picture")
    for name in ("large.tar", "small.tar", "notes.txt"):
        raw = (root / name).read_bytes()
        told = {"@type": "cr:FileObject", "name": name, "contentUrl": name, "contentSize": f"{len(raw)} B"}
        entries.append(told | {"sha256": hashlib.sha256(raw).hexdigest()})
    order = np.random.default_rng(0).permutation(len(rows))  # the manifest's order is not the archive's
    columns: dict[str, list[Any]] = {key: [rows[at][key] for at in order] for key in rows[0]}
    columns |= {"image_id": [f"image {at:02d}" for at in order], "split": ["val"] * len(rows)}
    columns |= {"width": [16] * len(rows), "height": [12] * len(rows), "class_index": [0] * len(rows)}
    dataset = Dataset(root, Manifest.from_columns(columns, ClassList(("cat",), ("cat",))), {"distribution": entries})
    dataset.write(root)
    return dataset


def by_way(dataset: Dataset, way: str, monkeypatch: pytest.MonkeyPatch) -> VerifyReport:
    rows, workers = WAYS[way]
    with monkeypatch.context() as patch:
        patch.setattr(parts, "_ROWS", rows)
        patch.setattr(jobs, "_ENOUGH", 2 if way == "parts by processes" else 10_000)
        return verify(dataset, workers=workers, published={"small.tar": "0" * 32})


def damage(root: Path, how: str) -> None:
    large = root / "large.tar"
    whole = large.read_bytes()
    if how == "a changed byte":
        large.write_bytes(whole[:30_000] + bytes([whole[30_000] ^ 1]) + whole[30_001:])
    elif how == "cut":
        large.write_bytes(whole[:20_000])
    elif how == "missing":
        large.unlink()
        (root / "two.jpg").unlink()
    elif how == "a folder":
        large.unlink()
        large.mkdir()
    elif how == "a longer file":
        (root / "notes.txt").write_text("no picture at all")
    elif how == "a picture cut":
        (root / "one.jpg").write_bytes((root / "one.jpg").read_bytes()[:-9])


PROCESSES = [("a changed byte", "sizes known"), ("cut", "sizes unknown")]
HOWS = ["", "a changed byte", "cut", "missing", "a folder", "a longer file", "a picture cut"]


@pytest.mark.parametrize("sizes", ["sizes known", "sizes unknown"])
@pytest.mark.parametrize("how", HOWS)
def test_every_way_reports_the_same(tmp_path: Path, how: str, sizes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = laid_out(tmp_path)
    if sizes == "sizes unknown":
        entries = [{k: v for k, v in e.items() if k != "contentSize"} for e in dataset.about["distribution"]]
        dataset = Dataset(dataset.root, dataset.manifest, {"distribution": entries})
    damage(tmp_path, how)
    # Processes take a second to begin.
    ways = [way for way in WAYS if way != "parts by processes" or (how, sizes) in PROCESSES]
    reports = [by_way(dataset, way, monkeypatch) for way in ways]
    assert all(report == reports[0] for report in reports)
    assert not (tmp_path / "verify").exists()
    named = dict(reports[0].problems)
    assert len(named) == len(reports[0].problems) or how == "cut"
    assert "is not the published archive" in named["small.tar"]
    where, table = {}, dataset.manifest.table.to_pylist()
    for row in table:
        where[row["image_id"]] = row
    bad = {row["image_id"] for row in table if (row["container"], row["offset"]) in bad_places(dataset)}
    expected = bad | {"small.tar"} | files_expected(how, sizes) | pictures_expected(how, sizes, table)
    assert set(named) == expected


def bad_places(dataset: Dataset) -> set[tuple[str, int]]:
    """Those of the two pictures that never decode."""
    places = {
        name: sorted(row["offset"] for row in dataset.manifest.table.to_pylist() if row["container"] == name)
        for name in ("large.tar", "small.tar")
    }
    return {("large.tar", places["large.tar"][17]), ("small.tar", places["small.tar"][2])}


def files_expected(how: str, sizes: str) -> set[str]:
    if how in ("a changed byte", "missing", "a folder", "cut"):
        return {"large.tar"}
    return {"notes.txt"} if how == "a longer file" else set()


def pictures_expected(how: str, sizes: str, table: list[dict[str, Any]]) -> set[str]:
    """An oracle: whose bytes are not what they were, picture by picture."""
    found = set()
    for row in table:
        end, large = row["offset"] + row["size"], row["container"] == "large.tar"
        if (
            (how == "a changed byte" and large and row["offset"] <= 30_000 < end)
            or (how == "cut" and large and (end > 20_000 or sizes == "sizes known"))
            or (how in ("missing", "a folder") and large)
            or (how == "missing" and row["container"] == "two.jpg")
            or (how == "a picture cut" and row["container"] == "one.jpg")
        ):
            found.add(row["image_id"])
    return found


class Worn:
    """An open file on a disk whose bytes from some place on cannot be read."""

    def __init__(self, file: Any, good: int) -> None:
        self.file, self.good = file, good

    def __enter__(self) -> Worn:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def seek(self, at: int) -> None:
        self.file.seek(at)

    def read(self, size: int) -> bytes:
        if self.file.tell() + size > self.good:
            raise OSError(errno.EIO, "Input/output error")
        return bytes(self.file.read(size))


def test_a_disk_that_fails_midway_leaves_the_same_pictures_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = laid_out(tmp_path)
    plain = Path.open
    monkeypatch.setattr("topfive.dataset.passes._CHUNK", 4096)

    def open_(self: Path, *args: Any, **kwargs: Any) -> Any:
        file = plain(self, *args, **kwargs)
        return Worn(file, 5 * 4096) if self.name == "large.tar" else file

    monkeypatch.setattr(Path, "open", open_)
    reports = [by_way(dataset, way, monkeypatch) for way in WAYS if way != "parts by processes"]
    assert all(report == reports[0] for report in reports)
    named = dict(reports[0].problems)
    assert named["large.tar"] == "cannot be read (Input/output error)"
    unread = {row["image_id"] for row in dataset.manifest.table.to_pylist() if row["container"] == "large.tar"}
    late = {
        row["image_id"]
        for row in dataset.manifest.table.to_pylist()
        if row["image_id"] in unread and row["offset"] + row["size"] > 5 * 4096
    }
    assert {one for one in unread if "Input/output error" in named.get(one, "")} == late and late < unread


def test_parts_are_all_rows_and_files_once_and_an_archive_in_ranges_has_its_digest_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = laid_out(tmp_path)
    assert [part.files for part in parts_of(dataset)] == [("large.tar", "notes.txt", "one.jpg", "small.tar", "two.jpg")]
    monkeypatch.setattr(parts, "_ROWS", 20)
    plan = parts_of(dataset)
    assert [(part.files, len(part.rows), part.whole, part.behind) for part in plan] == [
        (("large.tar",), 20, False, False),
        (("large.tar",), 20, False, False),
        (("large.tar",), 20, False, False),
        (("large.tar",), 0, True, True),
        (("notes.txt", "one.jpg", "small.tar", "two.jpg"), N_SMALL + 2, True, False),
    ]
    assert sorted(np.concatenate([part.rows for part in plan]).tolist()) == list(range(len(dataset.manifest)))
    offset = dataset.manifest.column("offset")
    for before, after in itertools.pairwise(plan[:3]):
        assert offset[before.rows].max() < offset[after.rows].min()


def test_an_archive_of_a_small_share_is_one_part_and_a_remote_one_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ROWS", 2)
    names = [f"{i:02d}.tar" for i in range(40)] + ["https://store/a.tar"]
    box = [name for name in names for _ in range(5 if name[0] != "h" else 50)]
    columns = {"image_id": [str(i) for i in range(len(box))], "container": box, "offset": range(len(box))}
    dataset = Dataset(Path(), Manifest.from_columns(columns | {"size": [1] * len(box)}, ClassList(("a",), ("a",))))
    plan: list[FilePart] = parts_of(dataset)
    assert [part.whole for part in plan] == [True] * 41 and len(plan[-1].rows) == 50


@given(st.lists(st.integers(0, 40_000_000), max_size=300))
@settings(max_examples=50, deadline=None)
def test_cut_parts_are_as_full_as_they_may_be(sizes: list[int]) -> None:
    size = np.array(sizes, dtype=np.int64)
    rows = np.random.default_rng(0).permutation(len(size))
    found = list(cut(rows, size))
    assert np.concatenate([np.zeros(0, np.int64), *found]).tolist() == rows.tolist()
    for part, after in zip(found, [*found[1:], np.zeros(0, np.int64)][: len(found)], strict=True):
        assert len(part) == 1 or size[part].sum() <= parts._BYTES
        assert not len(after) or size[part].sum() + size[after[0]] > parts._BYTES or len(part) == parts._ROWS
