"""A reader sees the old file or the new one; a failed write leaves nothing behind."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from topfive.records import BadInput, digest_json, digest_parts, new_folder, replacing, room_for, write_text


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_with_its_place_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_text(tmp_path / "board.json", "old")

    def full(_: int) -> None:
        raise OSError(number, "no room")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadInput, match=r"board.json: cannot be written: the disk is full .* Make room"):
        write_text(tmp_path / "board.json", "new")
    assert (tmp_path / "board.json").read_text() == "old"
    with (
        pytest.raises(BadInput, match=r"set: cannot be written: the disk is full"),
        new_folder(tmp_path / "set") as part,
    ):
        write_text(part / "inner.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]


def test_another_failure_of_the_disk_is_not_taken_for_a_full_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="worn out"), room_for(tmp_path / "set"):
        raise OSError(errno.EIO, "worn out")


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
