"""A verify that is stopped or killed goes on by the same command: what was read is not read again, nothing is left."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from topfive.dataset import VerifyReport, import_source, looking, parts, partway, verify
from topfive.dataset.seen import Seen
from topfive.records import BadInput, Dataset, Manifest, held_folder
from toy.archives import picture, tar_bytes
from toy.nightly import Count

N = 240
VERIFIER = """
import os, sys
from pathlib import Path
from topfive.dataset import parts, read_to_verify, verify
from topfive.loading import jobs

# Modules are loaded once; each line asks for one verify by a process of its own, which may be killed.
parts._ROWS = 10
jobs._ENOUGH = int(sys.argv[2])
import topfive.dataset.looking, joblib.externals.loky
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # its processes may print when it is gone
        try:
            verify(read_to_verify(Path(sys.argv[1])), workers=2)
        finally:
            os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """An archive in 24 parts and one that is whole, with a bad picture in each and a changed byte in one."""
    monkeypatch.setattr(parts, "_ROWS", 10)
    source = tmp_path / "source"
    source.mkdir()
    data = [picture(seed, 8) for seed in range(20)]
    names = [(f"train/a/{i:03d}.jpg", b"no picture" if i == 77 else data[i % 20]) for i in range(N)]
    (source / "large.tar").write_bytes(tar_bytes(names))
    import_source(source / "large.tar", tmp_path / "set")
    with (source / "large.tar").open("r+b") as file:
        file.seek(1024 * 50 + 700)
        file.write(b"\xff")
    return Dataset.read(tmp_path / "set")


class Stop(Exception):
    pass


def stopped_at(dataset: Dataset, n: int) -> None:
    """Verify until so many pictures are done."""

    def stopping(what: str, done: float, total: float | None, unit: str = "") -> None:
        if done >= n:
            raise Stop

    with pytest.raises(Stop):
        verify(dataset, stopping, workers=1)


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of pictures of the parts that are read."""
    read: list[int] = []
    plain = looking.look_at

    def look_at(published: object, part: object, threads: int) -> Seen:
        seen = plain(published, part, threads)  # type: ignore[arg-type]
        read.append(len(seen.digest))
        return seen

    monkeypatch.setattr(looking, "look_at", look_at)
    return read


def kept(dataset: Dataset) -> list[Path]:
    try:
        return sorted((dataset.root / partway.FOLDER).iterdir())
    except FileNotFoundError:  # none, or it is being removed
        return []


def test_what_was_read_is_not_read_again_and_nothing_is_left(dataset: Dataset, n_read: list[int]) -> None:
    whole = verify(dataset, workers=1)
    assert sum(n_read) == N and not (dataset.root / partway.FOLDER).exists()
    assert len(whole.problems) == 3
    stopped_at(dataset, 100)
    assert len(kept(dataset)) == 10
    n_read.clear()
    assert verify(Dataset.read(dataset.root), workers=1) == whole
    assert sum(n_read) == N - 100
    assert not (dataset.root / partway.FOLDER).exists()


def test_what_has_changed_since_is_read_again(
    dataset: Dataset, n_read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = dataset.root.parent / "source/large.tar"

    def read_now(published: dict[str, str] | None = None) -> tuple[int, VerifyReport]:
        n_read.clear()
        report = verify(Dataset.read(dataset.root), workers=1, published=published or {})
        return sum(n_read), report

    stopped_at(dataset, 100)
    os.utime(archive, ns=(0, archive.stat().st_mtime_ns + 1))
    assert read_now()[0] == N, "the archive's time has changed"
    stopped_at(dataset, 100)
    kept(dataset)[0].write_bytes(kept(dataset)[0].read_bytes()[:-20])
    n_read.clear()
    assert verify(dataset, workers=1).problems and sum(n_read) == N - 90, "one was damaged"
    stopped_at(dataset, 100)
    monkeypatch.setattr(partway, "_LOOKS", 99)
    assert read_now()[0] == N, "a look is something else now"
    stopped_at(dataset, 100)
    widths = dataset.manifest.column("width").copy()
    widths[5] += 1
    manifest: Manifest = dataset.manifest.with_column("width", widths)
    Dataset(dataset.root, manifest, dataset.about).write(dataset.root)
    n, report = read_now({"large.tar": "0" * 32})
    assert n == N and any("not the published archive" in reason for _, reason in report.problems)
    assert any(f"the manifest says {widths[5]} x" in reason for _, reason in report.problems)


def test_where_nothing_can_be_kept_it_verifies_all_the_same(dataset: Dataset) -> None:
    whole = verify(dataset, workers=1)
    folder = dataset.root / partway.FOLDER
    folder.write_text("somebody's")
    stopped_at(dataset, 100)
    assert verify(dataset, workers=1) == whole and folder.read_text() == "somebody's"
    folder.unlink()
    with held_folder(folder):  # another verify
        assert verify(dataset, workers=1) == whole
        assert folder.is_dir()
    assert verify(dataset, workers=1) == whole and not folder.exists()


def test_a_disk_that_failed_is_read_again(dataset: Dataset) -> None:
    archive = dataset.root.parent / "source/large.tar"
    whole = verify(dataset, workers=1)
    away = archive.rename(archive.with_name("away"))
    stopped_at(dataset, 100)
    assert kept(dataset) == []
    away.rename(archive)
    assert verify(dataset, workers=1) == whole


def test_a_part_is_written_and_read_whole(tmp_path: Path) -> None:
    seen = Seen.nothing(3)
    seen.digest[1] = b"\0" + b"a" * 30 + b"\0"
    seen.width[2] = 7
    seen.reasons[0] = "it's “bad”\n"
    seen.states["a/b.tar"] = (2**40, 2**62)
    seen.write(tmp_path / "x.parquet")
    again = Seen.read(tmp_path / "x.parquet")
    assert again is not None
    assert again.digest.tolist() == seen.digest.tolist() and again.width.tolist() == [0, 0, 7]
    assert (again.reasons, again.states) == (seen.reasons, seen.states)
    raw = (tmp_path / "x.parquet").read_bytes()
    for cut in range(0, len(raw), 97):
        (tmp_path / "x.parquet").write_bytes(raw[:cut])
        assert Seen.read(tmp_path / "x.parquet") is None
    assert Seen.read(tmp_path / "none") is None


@pytest.mark.parametrize(
    "enough", [10_000, pytest.param(2, marks=pytest.mark.slow)], ids=["by threads", "by processes"]
)
def test_killed_at_random_and_begun_again(dataset: Dataset, enough: int, full_count: Count) -> None:
    whole = verify(dataset, workers=1)
    before = sorted(path.name for path in dataset.root.iterdir())
    rng = np.random.default_rng(0)
    killed, went_on, times = 0, 0, full_count("kills", 20, 200)
    command = [sys.executable, "-c", VERIFIER, str(dataset.root), str(enough)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as verifier:
        assert verifier.stdin is not None
        assert verifier.stdout is not None

        def asked(after: float, n_kept: int = N) -> bool:
            """Whether the verify was killed: so many seconds after its beginning, or when so many parts are kept."""
            assert verifier.stdin is not None
            assert verifier.stdout is not None
            print(file=verifier.stdin, flush=True)
            child = int(verifier.stdout.readline())
            end, ended = time.monotonic() + after, False
            while not ended and time.monotonic() < end and len(kept(dataset)) < n_kept:
                ended = bool(select.select([verifier.stdout], [], [], 0.002)[0])
            if not ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            assert verifier.stdout.readline() == "ended\n"
            return not ended

        asked(300)  # its modules are loaded now
        began = time.monotonic()
        asked(300)
        usual = time.monotonic() - began
        for turn in range(times):
            left = len(kept(dataset))
            # By time, and on a machine that has become slow, where next to nothing is read in time, by what is kept.
            killed += asked(float(rng.uniform(0, usual))) if turn % 2 else asked(300, left + int(rng.integers(1, 5)))
            went_on += len(kept(dataset)) > left > 0
        asked(300)
        verifier.stdin.close()
    assert killed > times // 4 and went_on
    assert sorted(path.name for path in dataset.root.iterdir()) == before
    stopped_at(dataset, 50)
    assert verify(dataset, workers=1) == whole
    assert sorted(path.name for path in dataset.root.iterdir()) == before


def test_a_verify_without_processes_is_refused(dataset: Dataset) -> None:
    with pytest.raises(BadInput, match="0 processes"):
        verify(dataset, workers=0)
