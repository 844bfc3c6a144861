"""Verify: every fault that can be planted in a set is named, and nothing else is."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topfive.dataset import VerifyReport, import_source, verify
from topfive.records import Dataset


def picture(seed: int, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def imported(tmp_path: Path, files: dict[str, bytes]) -> Dataset:
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    import_source(tmp_path / "s.tar", tmp_path / "out")
    return Dataset.read(tmp_path / "out")


def reasons(report: VerifyReport) -> dict[str, str]:
    return {problem.image_id: problem.reason for problem in report.problems}


def test_a_whole_set_has_no_problems(tmp_path: Path) -> None:
    dataset = imported(tmp_path, {f"a/{i}.jpg": picture(i) for i in range(60)})
    said: list[float] = []
    report = verify(dataset, lambda what, done, total, unit="": said.append(done))
    assert report.to_json() == {
        "n_images": 60,
        "n_classes": 1,
        "splits": {"val": 60},
        "n_problems": 0,
        "problems": [],
        "n_filled": 0,
    }
    assert said == [0, 60]


def test_pictures_that_do_not_decode_are_named(tmp_path: Path) -> None:
    cut = picture(1)[:-40]
    dataset = imported(
        tmp_path,
        {"a/cut.jpg": cut, "a/good.jpg": picture(2), "a/page.jpg": b"<html>", "a/half.png": picture(3, "PNG")[:200]},
    )
    report = verify(dataset)
    assert set(reasons(report)) == {"cut", "page", "half"}
    assert "truncated" in reasons(report)["cut"]
    assert f"the file has {len(cut)} bytes" in reasons(report)["cut"]
    assert "HTML" in reasons(report)["page"]
    assert "cut short" in reasons(report)["half"]


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    dataset = imported(tmp_path, {f"a/{i}.png": picture(i, "PNG") for i in range(3)})
    archive = tmp_path / "s.tar"
    whole = archive.read_bytes()
    rows = dataset.manifest.table.to_pylist()
    rng = np.random.default_rng(0)
    for _ in range(100):
        row = rows[rng.integers(3)]
        at = row["offset"] + int(rng.integers(row["size"]))
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :])
        found = reasons(verify(dataset))
        assert found.keys() == {"s.tar", row["image_id"]}
        assert all("its bytes have changed" in reason for reason in found.values())


def test_missing_short_and_replaced_containers_are_named(tmp_path: Path) -> None:
    dataset = imported(tmp_path, {f"a/{i}.jpg": picture(i) for i in range(4)})
    archive = tmp_path / "s.tar"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:2000])
    problems = reasons(verify(dataset))
    assert problems.pop("s.tar").startswith("has 2000 bytes and had")
    assert len(problems) == 4
    assert all("s.tar: has 2000 bytes and had" in reason for reason in problems.values())
    bare = Dataset(dataset.root, dataset.manifest)
    problems = reasons(verify(bare))
    assert set(problems) < {"0", "1", "2", "3"}
    assert all("s.tar: ends before" in reason for reason in problems.values())
    archive.unlink()
    problems = reasons(verify(dataset))
    assert problems.pop("s.tar") == "cannot be read (No such file or directory)"
    assert len(problems) == 4
    assert all("s.tar: cannot be read (No such file" in reason for reason in problems.values())


def test_a_size_that_differs_is_named(tmp_path: Path) -> None:
    dataset = imported(tmp_path, {"a/x.jpg": picture(0)})
    told = dataset.manifest.with_column("width", [21])
    assert reasons(verify(Dataset(dataset.root, told))) == {"x": "has 20 x 16 px, and the manifest says 21 x 16"}
    untold = dataset.manifest.with_column("width", [0]).with_column("sha256", [""])
    assert verify(Dataset(dataset.root, untold)).problems == ()


@pytest.mark.parametrize("order", [("train", "val", "test"), ("test", "train", "val")])
def test_the_same_bytes_in_two_splits_are_named_in_the_later(tmp_path: Path, order: tuple[str, ...]) -> None:
    files = {f"{split}/a/{split}.jpg": picture(7) for split in order}
    files |= {"train/a/twin.jpg": picture(7), "val/a/other.jpg": picture(8)}
    assert reasons(verify(imported(tmp_path, files))) == {
        "val": "has the same bytes as train of train",
        "test": "has the same bytes as train of train",
    }
