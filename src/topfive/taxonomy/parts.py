"""PartLinks: which synsets are members, substances or parts of which, as WordNet 3.0 says."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, replacing

TABLE = Path(__file__).parent / "data" / "wordnet30_parts.npz"
"""Made by `scripts/make_wordnet_table.py`; a file of its own, so that look-ups need not read it."""

PART_KINDS = ("member", "substance", "part")
"""WordNet's `%m`, `%s` and `%p`: a tree is a member of a forest, sand a substance of a beach, a wing part of a bird."""


@dataclass(frozen=True, eq=False)
class PartLinks:
    """Link i says that position `parts[i]` is a `PART_KINDS[kinds[i]]` of position `wholes[i]` of `wordnet()`.

    int32, int32 and uint8 [22187] for WordNet 3.0; sorted by whole, then part.
    """

    wholes: NDArray[np.int32]
    parts: NDArray[np.int32]
    kinds: NDArray[np.uint8]


@cache
def part_links() -> PartLinks:
    """The links of WordNet 3.0: 12,293 of members, 797 of substances, 9,097 of parts."""
    return read_part_table(TABLE)


def write_part_table(links: PartLinks, path: Path) -> None:
    """Write the links as arrays, compressed: it is read by one command, which has a second."""
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, wholes=links.wholes, parts=links.parts, kinds=links.kinds)


def read_part_table(path: Path) -> PartLinks:
    """The inverse of `write_part_table`; raises BadInput for a table that is missing, cut or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            return PartLinks(table["wholes"], table["parts"], table["kinds"])
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"cannot be read as the table of parts ({error})", where=path, fix="Install topfive anew"
        ) from error
