"""A reader sees the old file or the new one; a failed write leaves nothing behind."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import numpy as np
import pytest

from topfive.records import (
    BadInput,
    WorkFailed,
    digest_json,
    digest_parts,
    disk_failed,
    growing_folder,
    held_folder,
    new_folder,
    replacing,
    room_for,
    write_text,
)


def test_replacing_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    target = tmp_path / "board.json"
    write_text(target, "old")
    with pytest.raises(RuntimeError), replacing(target) as part:
        part.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]
    write_text(target, "new")
    assert target.read_text() == "new"


def test_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with pytest.raises(RuntimeError), new_folder(target) as part:
        (part / "a").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with new_folder(target) as part:
        (part / "sub").mkdir()
        (part / "sub" / "a").write_text("whole")
        assert not target.exists()
    assert (target / "sub" / "a").read_text() == "whole"
    with pytest.raises(BadInput, match="is there already"), new_folder(target):
        pass
    assert (target / "sub" / "a").read_text() == "whole"


def test_what_a_killed_process_left_is_removed_and_what_is_in_work_is_not(tmp_path: Path) -> None:
    target = tmp_path / "set"
    left = tmp_path / ".set.abcd1234.part"
    (left / "sub").mkdir(parents=True)
    (left / "sub" / "half").write_text("half")
    others = [".set.mine.part", ".other.abcd1234.part", "set.abcd1234.part", ".set.abcd1234.part2"]
    for name in others:
        (tmp_path / name).mkdir()
    with new_folder(target) as first:
        assert not left.exists()
        (first / "a").write_text("1")
        with pytest.raises(RuntimeError), new_folder(target) as second:
            assert first.exists(), "its maker lives"
            assert second != first
            raise RuntimeError
    assert (target / "a").read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["set", *others])


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "the disk is full .* Make room"),
        (errno.EDQUOT, "the disk is full .* Make room"),
        (errno.EIO, "the disk failed .* See to the disk"),
        (errno.EROFS, "the place takes no more writing .* Make it writable"),
    ],
)
def test_a_failing_disk_is_failed_work_with_its_place_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    write_text(tmp_path / "board.json", "old")

    def fails(_: int) -> None:
        raise OSError(number, "fails")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fails)
        with pytest.raises(WorkFailed, match=rf"board.json: cannot be written: {what}.* give the same command again"):
            write_text(tmp_path / "board.json", "new")
        assert (tmp_path / "board.json").read_text() == "old"
        with pytest.raises(WorkFailed, match=rf"/set: cannot be written: {what}"), new_folder(tmp_path / "set") as part:
            write_text(part / "inner.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]
    with (
        pytest.raises(WorkFailed, match=f"/grown: cannot be written: {what}"),
        growing_folder(tmp_path / "grown", "x") as part,
    ):
        write_text(part / "first.txt", "kept")
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fails)
            write_text(part / "second.txt", "lost")
    with growing_folder(tmp_path / "grown", "x") as part:
        assert [path.name for path in part.iterdir() if path.name[0] != "."] == ["first.txt"], "and goes on"
    with pytest.raises(WorkFailed, match=f"/held: cannot be written: {what}"), held_folder(tmp_path / "held"):
        raise OSError(number, "fails")


def test_a_place_that_stops_taking_files_halfway_is_failed_work_and_one_that_never_did_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with new_folder(tmp_path / "whole") as part, monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", locked)
        with pytest.raises(WorkFailed, match=r"/set: .* takes no more writing"), room_for(tmp_path / "set"):
            write_text(part / "inner.txt", "x")
        with pytest.raises(BadInput, match=r"x.txt: cannot be written .* Name another place"):
            write_text(tmp_path / "x.txt", "x")
        patch.setattr("tempfile.mkstemp", full)
        with pytest.raises(WorkFailed, match=r"x.txt: cannot be written: the disk is full"):
            write_text(tmp_path / "x.txt", "x")


def test_an_array_that_is_cut_short_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match=r"x.npy: cannot be written: the disk is full \(No space"):
        with replacing(tmp_path / "x.npy") as part, part.open("wb") as file:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
            try:
                np.save(file, np.zeros(10_000))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_is_no_disk_s_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="busy"), room_for(tmp_path / "set"):
        raise OSError(errno.EBUSY, "busy")
    assert disk_failed(OSError(errno.EIO, "worn out"))
    assert not disk_failed(OSError("no number")) and not disk_failed(None) and not disk_failed(ValueError())


def test_digests_are_of_content_and_structure() -> None:
    assert digest_json({"b": 1, "a": 2}) == digest_json({"a": 2, "b": 1})
    assert digest_parts(["ab", "c"]) != digest_parts(["a", "bc"])
    assert digest_parts(["a"], ["b"]) != digest_parts(["a", "b"])
    big_endian = np.array([1, 2], dtype=">i4")
    assert digest_parts(big_endian) == digest_parts(big_endian.astype("<i4"))
    assert digest_parts(np.zeros(2, np.int32)) != digest_parts(np.zeros(2, np.int64))


def test_bad_input_names_place_reason_and_remedy() -> None:
    error = BadInput("is empty", where="votes.csv", row=3, fix="Fill it")
    assert str(error) == "votes.csv, row 3: is empty. Fill it"


def test_a_place_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_text(tmp_path / "file" / "below", "x")
    with pytest.raises(BadInput, match="cannot be written"), new_folder(tmp_path / "file" / "below"):
        pass
    with pytest.raises(BadInput, match="is a folder"):
        write_text(tmp_path, "x")
