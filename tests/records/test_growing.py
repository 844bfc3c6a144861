"""A folder that grows over several processes: whole parts are kept, half-written ones never; one writes at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from topfive.records import BadInput, growing_folder, grown_bytes, held_folder, require_new, write_text

WRITER = """
import sys, time
from pathlib import Path
from topfive.records import growing_folder, replacing

with growing_folder(Path(sys.argv[1]), "plan") as part:
    (part / "whole").write_text("kept")
    with replacing(part / "half") as aside:
        aside.write_text("hal")
        print("writing", flush=True)
        time.sleep(60)
"""


def stopped(target: Path, key: str, **files: str) -> None:
    with pytest.raises(KeyboardInterrupt), growing_folder(target, key) as part:
        for name, text in files.items():
            write_text(part / name, text)
        raise KeyboardInterrupt


def test_what_was_stopped_is_gone_on_with_and_takes_the_name(tmp_path: Path) -> None:
    target = tmp_path / "set"
    stopped(target, "plan", one="1")
    assert not target.exists() and grown_bytes(target) == len("1") + len("plan")
    with growing_folder(target, "plan") as part:
        assert (part / "one").read_text() == "1"
        write_text(part / "two", "2")
    assert sorted(path.name for path in target.iterdir()) == ["one", "two"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"] and grown_bytes(target) == 0


def test_work_of_another_key_is_thrown_away(tmp_path: Path) -> None:
    stopped(tmp_path / "set", "plan", one="1")
    (tmp_path / ".set.growing" / "folder").mkdir()
    with growing_folder(tmp_path / "set", "another") as part:
        assert [path.name for path in part.iterdir()] == [".making"]
    assert not any((tmp_path / "set").iterdir())


def test_a_note_that_is_no_text_is_of_another_key(tmp_path: Path) -> None:
    stopped(tmp_path / "set", "plan", one="1")
    (tmp_path / ".set.growing" / ".making").write_bytes(b"\xff")
    with growing_folder(tmp_path / "set", "plan") as part:
        assert not (part / "one").exists()


def test_killed_it_leaves_what_is_whole_and_the_next_removes_the_half(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        with pytest.raises(BadInput, match="made by another process"), growing_folder(target, "plan"):
            pass
        os.kill(writer.pid, signal.SIGKILL)
    with growing_folder(target, "plan") as part:
        assert sorted(path.name for path in part.iterdir()) == [".making", "whole"]
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_a_place_that_is_taken_is_refused_and_an_empty_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for taken in ("full", "full/file"):
        with pytest.raises(BadInput, match="is there already"), growing_folder(tmp_path / taken, "plan"):
            pass
        with pytest.raises(BadInput, match="is there already"):
            require_new(tmp_path / taken)
    with pytest.raises(BadInput, match="cannot be written"), growing_folder(tmp_path / "full/file/below", "plan"):
        pass
    (tmp_path / "empty").mkdir()
    with growing_folder(tmp_path / "empty", "plan") as part:
        write_text(part / "one", "1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]


def test_another_that_ended_meanwhile_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, seen = tmp_path / "set", []
    from topfive.records import growing

    def at_first(place: Path) -> None:
        if not seen:  # between this look and the lock the other one ends
            seen.append(place)
            write_text(place / "theirs", "1")
            return
        require_new(place)

    monkeypatch.setattr(growing, "require_new", at_first)
    with pytest.raises(BadInput, match="is there already"), growing_folder(target, "plan"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["set"] and (target / "theirs").is_file()


def test_a_held_folder_is_one_writers_and_free_afterwards(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".x.12345678.part").write_text("half")
    (tmp_path / "deep" / "x").write_text("whole")
    with held_folder(tmp_path / "deep"):
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x"]
        with pytest.raises(BadInput, match="another process"), held_folder(tmp_path / "deep"):
            pass
    with held_folder(tmp_path / "deep"), held_folder(tmp_path / "new" / "one"):
        assert (tmp_path / "new" / "one").is_dir()
    with pytest.raises(BadInput, match="cannot be written"), held_folder(tmp_path / "deep" / "x"):
        pass
