"""A disk that fails under work is failed work: exit status 1, place and remedy, and the same command goes on."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataset.releases import pictured
from topfive.cli import main
from toy.drawn import drawn_set
from toy.kills import files

MODEL = """
import numpy as np
from topfive.records import ClassList, View
SHAPES = ("disc", "square", "triangle", "ring", "cross", "stripes")
CLASSES, VIEW = ClassList(SHAPES, SHAPES), View(32, 28, "bilinear")

def build():
    return lambda pixels: pixels.reshape(len(pixels), -1)[:, :6].astype(np.float32)
"""


def ended(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status and the last line on standard error."""
    with pytest.raises(SystemExit) as done:
        main([*map(str, arguments)])
    return int(done.value.code or 0), (capsys.readouterr().err.strip().splitlines() or [""])[-1]


@contextmanager
def failing(number: int, after: int) -> Iterator[None]:
    """A disk that syncs so many files, and then fails with this error for good."""
    left = [after]
    sync = os.fsync

    def fsync(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))
        sync(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", fsync)
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured(tmp_path_factory.mktemp("source") / "tiny", 30).root


@pytest.fixture
def work(request: pytest.FixtureRequest, source: Path, tmp_path: Path) -> tuple[list[object], Path]:
    """A command and what it makes."""
    out = tmp_path / "home" / "made"
    out.parent.mkdir()
    verb, *rest = request.param.split()
    if verb == "twin":
        return ["dataset", "twin", out, "--classes", 2, "--train", 4, "--val", 2, "--test", 2, "--size", 16], out
    if verb == "export":
        return ["dataset", "export", source, out, "--format", *rest, "--per-shard", 7], out
    if verb == "dedupe":
        return ["dataset", "dedupe", source, "--out", out, "--workers", 1], out
    if verb == "import":
        main_out = tmp_path / "release"
        with pytest.raises(SystemExit):
            main(["dataset", "export", str(source), str(main_out), "--format", "parquet"])
        return ["dataset", "import", main_out, out], out
    (tmp_path / "model.py").write_text(MODEL)
    drawn_set(tmp_path / "drawn", train=0, tune=0, val=2)
    return ["predict", f"py:{tmp_path / 'model.py'}:build", tmp_path / "drawn", "--split", "val", "--out", out], out


WORKS = ["import", "export folder", "export webdataset", "export parquet", "export croissant", "dedupe"]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("twin", "predict")]


@pytest.mark.parametrize("work", [*WORKS, *SLOW], indirect=True)
@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "Make room there"), (errno.EDQUOT, "Make room there"), (errno.EIO, "See to the disk"),
     (errno.EROFS, "Make it writable again")],
)  # fmt: skip
def test_work_that_a_disk_fails_is_exit_1_and_goes_on(
    work: tuple[list[object], Path], number: int, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, out = work
    for after in (0, 2):
        with failing(number, after):
            status, said = ended(command, capsys)
        assert status == 1, said
        assert str(out.parent) in said or "fingerprints" in said, said
        assert f"({os.strerror(number)}). {remedy}, or name another disk, and give the same command again" in said
        assert not out.exists()
        assert all(path.name.startswith(f".{out.name}.") for path in out.parent.iterdir()), "nothing half-written"
    assert ended(command, capsys)[0] == 0
    assert [path.name for path in out.parent.iterdir()] == ["made"]


def test_a_place_that_never_could_be_written_is_a_mistake(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    status, said = ended(["dataset", "export", source, tmp_path / "file" / "out", "--format", "folder"], capsys)
    assert status == 2
    assert "Name another place" in said


def test_a_picture_that_a_worn_out_disk_cannot_read_is_no_mistake(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def worn_out(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.pread", worn_out)
    status, said = ended(["dataset", "export", source, tmp_path / "out", "--format", "folder"], capsys)
    assert (status, list(tmp_path.iterdir())) == (1, [tmp_path / ".out.growing"])
    assert "all.bin" in said and "cannot be read (Input/output error)" in said


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("form", ["folder", "webdataset", "parquet"])
def test_a_real_disk_that_is_too_small(
    source: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As above with the kernel's own errors, some of which come from within other libraries."""
    disk, reference = tmp_path / "disk", tmp_path / "whole"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        command = ["dataset", "export", source, disk / "out", "--format", form]
        status, said = ended(command, capsys)
        assert status == 1, said
        assert f"{disk / 'out'}: cannot be written: the disk is full" in said
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert ended(command, capsys)[0] == 0
        assert ended(["dataset", "export", source, reference, "--format", form], capsys)[0] == 0
        assert files(disk / "out") == files(reference)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
