from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.taxonomy import DATA_NOUN, SynsetGraph, read_table, wordnet, write_table
from topfive.taxonomy.parts import TABLE as PARTS
from topfive.taxonomy.table import TABLE

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_wordnet_table.py"


def test_round_trip(toy: tuple[SynsetGraph, dict[str, str]], tmp_path: Path) -> None:
    graph, wnid = toy
    write_table(graph, tmp_path / "table.npz")
    again = read_table(tmp_path / "table.npz")
    assert list(again) == list(graph)
    for name in wnid.values():
        assert again.lemmas(name) == graph.lemmas(name)
        assert again.parents(name, instances=False) == graph.parents(name, instances=False)
        assert again.children(name) == graph.children(name)
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_the_same_graph_gives_the_same_bytes(toy: tuple[SynsetGraph, dict[str, str]], tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_table(toy[0], tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "text", "another", "array"])
def test_a_damaged_table_is_refused(toy: tuple[SynsetGraph, dict[str, str]], tmp_path: Path, damage: str) -> None:
    path = tmp_path / "table.npz"
    write_table(toy[0], path)
    raw = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "another":
        np.savez(path, offsets=np.zeros(1))
    elif damage == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        middle = raw.index(b"domestic_dog")
        flipped = raw[:middle] + b"D" + raw[middle + 1 :]
        path.write_bytes({"empty": b"", "cut": raw[: len(raw) // 2], "flipped": flipped, "text": b"words"}[damage])
    with pytest.raises(BadInput, match="cannot be read as the table of WordNet") as caught:
        read_table(path)
    assert caught.value.where == str(path)


def test_the_table_is_small_and_has_its_licence_beside_it() -> None:
    assert TABLE.stat().st_size < 4_000_000
    assert PARTS.stat().st_size < 100_000
    licence = (TABLE.parent / "WORDNET-LICENSE.txt").read_text(encoding="ascii")
    assert "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved." in licence
    assert "Permission to use, copy, modify and distribute this software" in licence


def test_it_is_read_once() -> None:
    assert wordnet() is wordnet()


def test_the_room_is_light_to_import() -> None:
    code = (
        "import sys, topfive.taxonomy; print([m for m in ('scipy', 'sklearn', 'torch', 'numba') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
def test_the_script_makes_what_the_package_carries(tmp_path: Path) -> None:
    if not DATA_NOUN.exists():
        pytest.skip("WordNet 3.0 is not installed: apt-get install wordnet-base")
    pytest.importorskip("timm")
    subprocess.run([sys.executable, SCRIPT, "--out", tmp_path], check=True)
    for name in ("ilsvrc2012.txt", "WORDNET-LICENSE.txt", "together.tsv"):
        assert (tmp_path / name).read_bytes() == (TABLE.parent / name).read_bytes()
    for table in (TABLE, PARTS):
        with np.load(tmp_path / table.name) as made, np.load(table) as carried:
            assert made.files == carried.files
            for key in made.files:
                assert np.array_equal(made[key], carried[key]), key
