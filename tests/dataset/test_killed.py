"""Work that is killed at any moment: the same command then gives the same manifest, and nothing else is left."""

from __future__ import annotations

import gzip
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset.releases import pictured
from topfive.dataset.exporters import formats
from topfive.dataset.release import check
from topfive.records import Dataset
from toy.archives import picture, tar_bytes, train_tar
from toy.kills import JOBS, files, killed_at_random
from toy.nightly import COUNTED, NIGHTLY, Count

FILES = 2000 if NIGHTLY else 200
WNIDS = ("n01440764", "n02123045")


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


def digest(folder: Path) -> str:
    return Dataset.read(folder).manifest.digest


@pytest.fixture
def noted(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """What is said of kills: how many came before the end of the work."""

    def note(killed: int) -> None:
        assert killed, "none was killed before its end"
        record_property(COUNTED, f"{killed:,} before the end")

    return note


def goes_on(job: str, arguments: list[object], home: Path) -> None:
    """The same command once more, to its end: it leaves the set alone in its place."""
    JOBS[job](home / "set", *map(str, arguments))
    assert [path.name for path in home.iterdir()] == ["set"]


@pytest.mark.parametrize("kind", ["folder", "tar", "unpacked"])
def test_import(tmp_path: Path, kind: str, full_count: Count, noted: Callable[[int], None]) -> None:
    source, home, whole = sources(tmp_path)[kind], tmp_path / "home", tmp_path / "whole"

    def is_whole(out: Path) -> None:
        assert digest(out) == digest(whole), "a folder that has the name is whole"
        assert len(list(home.iterdir())) == 1, "what one leaves, the next removes"

    times = full_count(f"kills, {FILES:,} files", 5, 67)
    noted(killed_at_random("import", [source], home, times=times, again=is_whole))
    goes_on("import", [source], home)
    assert digest(home / "set") == digest(whole)
    assert files(home / "set").keys() == files(whole).keys()


@pytest.mark.parametrize("form", formats())
def test_export(tmp_path: Path, form: str, full_count: Count, noted: Callable[[int], None]) -> None:
    pictured(tmp_path / "source", FILES)
    home, whole = tmp_path / "home", tmp_path / "whole"

    def is_whole(out: Path) -> None:
        assert files(out) == files(whole), "a folder that has the name is whole"

    times = full_count(f"kills, {FILES:,} files", 4, 50)
    seed = formats().index(form)
    arguments = [tmp_path / "source", form]
    noted(killed_at_random("export", arguments, home, times=times, again=is_whole, seed=seed))
    goes_on("export", arguments, home)
    assert files(home / "set") == files(whole)
    assert check(home / "set") == []


@pytest.mark.slow
def test_twin(tmp_path: Path, full_count: Count, noted: Callable[[int], None]) -> None:
    home, whole, each = tmp_path / "home", tmp_path / "whole", 268 if NIGHTLY else 40

    def is_whole(out: Path) -> None:
        assert files(out) == files(whole), "a folder that has the name is whole"

    times = full_count("kills, 2,010 files", 4, 200)
    noted(killed_at_random("twin", [each], home, times=times, again=is_whole))
    goes_on("twin", [each], home)
    assert files(home / "set") == files(whole)


def test_dedupe(tmp_path: Path, full_count: Count, noted: Callable[[int], None]) -> None:
    """What is written between kills is thrown away with its fingerprints, so that the next ones begin anew."""
    rng = np.random.default_rng(0)
    root = pictured(tmp_path / "source", FILES).root
    data = []
    for _ in range(FILES // 2):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "PNG")
        data += [buffer.getvalue()] * 2
    sizes = np.array([len(one) for one in data])
    (root / "all.bin").write_bytes(b"".join(data))
    rows = Dataset.read(root).manifest.with_column("offset", np.cumsum(sizes) - sizes).with_column("size", sizes)
    rows.write(root / "manifest.parquet")
    home, whole, prints = tmp_path / "home", tmp_path / "whole", root / "fingerprints"

    def is_whole(out: Path) -> None:
        assert digest(out) == digest(whole), "a folder that has the name is whole"
        shutil.rmtree(prints)

    times = full_count(f"kills, {FILES:,} files", 5, 200)
    noted(killed_at_random("dedupe", [root], home, times=times, again=is_whole))
    goes_on("dedupe", [root], home)
    assert digest(home / "set") == digest(whole)
    assert files(home / "set").keys() == files(whole).keys()
    assert len(Dataset.read(home / "set").manifest) == FILES // 2
    assert all(path.name.startswith("part-") for path in prints.iterdir()), "no stray file"
