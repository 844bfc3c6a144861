"""An import that is killed at any moment: the same command then gives the same manifest, and nothing else is left."""

from __future__ import annotations

import contextlib
import gzip
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from topfive.dataset import ImportOptions, import_source
from topfive.records import Dataset
from toy.archives import picture, tar_bytes, train_tar

NIGHTLY = bool(os.environ.get("TOPFIVE_NIGHTLY"))
KILLS, FILES = (200, 2000) if NIGHTLY else (15, 200)
WNIDS = ("n01440764", "n02123045")
_IMPORTER = """
import os, sys
from pathlib import Path
from topfive.dataset import ImportOptions, import_source
from topfive.records import BadInput

# Modules are loaded once; each line asks for one import by a process of its own, which may be killed.
import topfive.dataset.importers.class_folders, topfive.dataset.importers.imagenet_whole
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            import_source(Path(sys.argv[1]), Path(sys.argv[2]), ImportOptions(unpack=True))
        finally:
            os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


def sources(root: Path) -> dict[str, Path]:
    """A folder by class, a tar of it, and a compressed tar of tars, of FILES pictures each."""
    data = [picture(seed, 8) for seed in range(20)]
    names = [(f"{wnid}/{wnid}_{i}.JPEG", data[i % 20]) for wnid in WNIDS for i in range(FILES // 2)]
    for name, one in names:
        (root / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "folder" / name).write_bytes(one)
    (root / "x.tar").write_bytes(tar_bytes(names))
    packed = train_tar({wnid: [one for name, one in names if name.startswith(wnid)] for wnid in WNIDS})
    (root / "x_whole.tar.gz").write_bytes(gzip.compress(packed, 1))
    return {"folder": root / "folder", "tar": root / "x.tar", "unpacked": root / "x_whole.tar.gz"}


@pytest.mark.parametrize("kind", ["folder", "tar", "unpacked"])
def test_killed_at_random_and_begun_again(tmp_path: Path, kind: str) -> None:
    source, home = sources(tmp_path)[kind], tmp_path / "home"
    home.mkdir()
    began = time.monotonic()
    import_source(source, tmp_path / "reference", ImportOptions(unpack=True))
    usual = time.monotonic() - began
    whole = Dataset.read(tmp_path / "reference").manifest.digest
    rng = np.random.default_rng(0)
    out, killed = home / "set", 0
    command = [sys.executable, "-c", _IMPORTER, str(source), str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as importer:
        assert importer.stdin is not None
        assert importer.stdout is not None
        for _ in range(KILLS // 3 + 1):
            print(file=importer.stdin, flush=True)
            child = int(importer.stdout.readline())
            select.select([importer.stdout], [], [], float(rng.uniform(0, usual)))
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(child, signal.SIGKILL)
            assert importer.stdout.readline() == "ended\n"
            if out.exists():
                assert Dataset.read(out).manifest.digest == whole, "a folder that has the name is whole"
                for path in sorted(out.rglob("*"), reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
                out.rmdir()
            else:
                killed += 1
            assert len(list(home.iterdir())) <= 1, "what one leaves, the next removes"
        importer.stdin.close()
    assert killed, "none was killed before its end"
    import_source(source, out, ImportOptions(unpack=True))
    assert [path.name for path in home.iterdir()] == ["set"]
    assert Dataset.read(out).manifest.digest == whole
    assert sorted(p.name for p in out.rglob("*")) == sorted(p.name for p in (tmp_path / "reference").rglob("*"))
