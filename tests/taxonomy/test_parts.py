from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topfive.records import BadInput
from topfive.taxonomy import (
    DATA_NOUN,
    PART_KINDS,
    PartLinks,
    SynsetGraph,
    part_links,
    read_part_table,
    read_parts,
    wordnet,
    write_part_table,
)


def test_a_small_file(tmp_path: Path, toy_noun: tuple[Path, dict[str, str]]) -> None:
    """`pet` becomes a part of `stone`: both pointers are put in the place of others of the same length."""
    path, wnid = toy_noun
    links = read_parts(path)
    assert (links.wholes.tolist(), links.parts.tolist(), links.kinds.tolist()) == ([], [], [])
    stone, entity = wnid["stone"][1:].encode(), wnid["entity"][1:].encode()
    lines = path.read_bytes().splitlines(keepends=True)
    changed = [
        line.replace(b" ~ " + stone, b" %p " + stone)[:-2] + b"\n"
        if b" ~ " + stone in line
        else line.replace(b" @ " + entity, b" #p " + entity)[:-2] + b"\n"
        if line.startswith(stone)
        else line
        for line in lines
    ]
    path.write_bytes(b"".join(changed))
    links = read_parts(path)
    order = sorted(wnid.values())
    assert [order[place] for place in links.wholes] == [wnid["entity"]]
    assert [order[place] for place in links.parts] == [wnid["stone"]]
    assert [PART_KINDS[kind] for kind in links.kinds] == ["part"]
    one_way = b"".join(changed).replace(b" %p " + stone, b" %s " + stone)
    path.write_bytes(one_way)
    with pytest.raises(BadInput, match="does not point back"):
        read_parts(path)


def test_counts_of_wordnet() -> None:
    links = part_links()
    assert len(links.wholes) == 22_187
    assert dict(zip(PART_KINDS, np.bincount(links.kinds).tolist(), strict=True)) == {
        "member": 12_293,
        "substance": 797,
        "part": 9_097,
    }
    assert part_links() is links


def test_some_links() -> None:
    graph, links = wordnet(), part_links()
    named = {
        (graph.wnid(whole), graph.wnid(part), PART_KINDS[kind])
        for whole, part, kind in zip(links.wholes.tolist(), links.parts.tolist(), links.kinds.tolist(), strict=True)
    }
    assert ("n03791235", "n02974003", "part") in named  # motor vehicle, car wheel
    assert ("n04505470", "n04264628", "part") in named  # typewriter keyboard, space bar
    assert ("n02084071", "n02158846", "part") in named  # dog, flag (its tail)


def test_the_table_is_what_the_installed_file_says(installed: SynsetGraph) -> None:
    ours, theirs = part_links(), read_parts(DATA_NOUN)
    for name in ("wholes", "parts", "kinds"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "another"])
def test_a_damaged_table_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "parts.npz"
    write_part_table(
        PartLinks(np.array([3], dtype=np.int32), np.array([4], dtype=np.int32), np.array([2], dtype=np.uint8)), path
    )
    assert read_part_table(path).parts.tolist() == [4]
    raw = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "another":
        np.savez(path, wholes=np.zeros(1))
    else:
        path.write_bytes(b"" if damage == "empty" else raw[: len(raw) // 2])
    with pytest.raises(BadInput, match="cannot be read as the table of parts") as caught:
        read_part_table(path)
    assert caught.value.where == str(path)
