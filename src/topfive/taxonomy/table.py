"""The table of WordNet 3.0's noun synsets that the package carries: no glosses, read in a few milliseconds."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from topfive.records import BadInput, replacing
from topfive.taxonomy.graph import SynsetGraph

TABLE = Path(__file__).parent / "data" / "wordnet30.npz"
"""Made by `scripts/make_wordnet_table.py`; WordNet's licence lies beside it."""

_FIX = "Install topfive anew"


@cache
def wordnet() -> SynsetGraph:
    """The noun synsets of WordNet 3.0: 82,115, with 75,850 `@` and 8,577 `@i` links."""
    return read_table(TABLE)


def write_table(graph: SynsetGraph, path: Path) -> None:
    """Write a graph as arrays: uncompressed, since inflating would take four times as long as the whole reading."""
    with replacing(path) as part, part.open("wb") as file:
        np.savez(
            file,
            offsets=graph.offsets,
            parent_start=graph.parent_start,
            parents=graph.parent_positions,
            is_instance=graph.is_instance,
            lemmas=np.frombuffer(graph.lemma_text, dtype=np.uint8),
        )


def read_table(path: Path) -> SynsetGraph:
    """The inverse of `write_table`; raises BadInput for a table that is missing, cut or damaged (by checksum)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            return SynsetGraph(
                offsets=table["offsets"],
                parent_start=table["parent_start"],
                parent_positions=table["parents"],
                is_instance=table["is_instance"],
                lemma_text=table["lemmas"].tobytes(),
            )
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"cannot be read as the table of WordNet ({error})", where=path, fix=_FIX) from error
