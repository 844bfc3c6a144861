"""Work that is killed at any moment and begun again: one harness for all commands that promise to go on.

The module is a program too: it does a job once, so that all is loaded and compiled, then once more in a process of its
own that it times, and from then on forks a process for each line that it reads, which the test kills.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np


def killed_at_random(
    job: str, arguments: Sequence[object], home: Path, *, times: int, again: Callable[[Path], None], seed: int = 0
) -> int:
    """Kill `job(home / "set", *arguments)` so many times, each time at a moment within the time that the quickest whole
    run took.

    A whole run is left at `home.parent / "whole"`. After each kill `again(out)` looks at `out` where it is there, and
    it is removed. Returns how many were killed before their end. Raises AssertionError for a run that ends by itself
    and fails.
    """
    home.mkdir()
    out, rng, killed = home / "set", np.random.default_rng(seed), 0
    command = [sys.executable, __file__, job, str(home.parent / "whole"), str(out), *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        usual = float(server.stdout.readline())
        for _ in range(times):
            print(file=server.stdin, flush=True)
            child = int(server.stdout.readline())
            began = time.perf_counter()
            select.select([server.stdout], [], [], float(rng.uniform(0, usual)))
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(child, signal.SIGKILL)
            status = int(server.stdout.readline())
            assert status in (0, -signal.SIGKILL), f"{job} failed by itself"
            killed += status != 0
            usual = usual if status else min(usual, time.perf_counter() - began)
            if out.exists():
                again(out)
                shutil.rmtree(out)
        server.stdin.close()
    return killed


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def import_(out: Path, source: str) -> None:
    """Index a source."""
    from topfive.dataset import ImportOptions, import_source

    import_source(source, out, ImportOptions(unpack=True))


def export(out: Path, root: str, form: str) -> None:
    """Write a release in small shards."""
    from topfive.dataset import Selection
    from topfive.dataset.release import export as write_release
    from topfive.records import Dataset

    write_release(Dataset.read(Path(root)), out, form, Selection(), per_shard=250)


def twin(out: Path, per_class: str) -> None:
    """Render a twin in small shards."""
    from topfive.dataset import TwinRecipe, make_twin
    from topfive.dataset import twin as module

    module._SHARD = 250
    each = int(per_class)
    make_twin(out, TwinRecipe(classes=5, train=each, val=each // 4, test=each // 4, size=16))


def dedupe(out: Path, root: str) -> None:
    """Search a set, whose fingerprints are kept in small parts, and write it in groups."""
    from topfive.dataset import dedupe as search
    from topfive.dataset import parts, write_deduped
    from topfive.records import Dataset

    parts._ROWS = 250
    timed = out.name != "set"
    if timed:  # with all that is kept, a run would be short, and none of the kills within the search
        shutil.rmtree(Path(root) / "fingerprints", ignore_errors=True)
    write_deduped(search(Dataset.read(Path(root)), workers=1), out, drop=True)
    if timed:
        shutil.rmtree(Path(root) / "fingerprints")


JOBS: Mapping[str, Callable[..., None]] = {"import": import_, "export": export, "twin": twin, "dedupe": dedupe}


def _forked(job: Callable[..., None], out: Path, arguments: Sequence[str]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            job(out, *arguments)
            status = 0
        finally:
            os._exit(status)
    return child


def _serve(name: str, whole: Path, out: Path, arguments: Sequence[str]) -> None:
    job = JOBS[name]
    job(whole, *arguments)
    timed = whole.with_name("timed")
    began = time.perf_counter()
    os.waitpid(_forked(job, timed, arguments), 0)
    print(time.perf_counter() - began, flush=True)
    shutil.rmtree(timed)
    for _ in sys.stdin:
        child = _forked(job, out, arguments)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
