"""Make the data files of the taxonomy room from WordNet 3.0 and timm's class list.

    python scripts/make_wordnet_table.py [--data-noun FILE] [--synsets FILE] [--out FOLDER]

Writes `wordnet30.npz` (the noun synsets without glosses), `WORDNET-LICENSE.txt` (WordNet's own notice, which its
licence wants beside every copy) and `ilsvrc2012.txt` (the 1000 wnids). The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from topfive.records import BadInput, write_text
from topfive.taxonomy import DATA_NOUN, SynsetGraph, read_wordnet, write_table

OUT = Path(__file__).resolve().parents[1] / "src" / "topfive" / "taxonomy" / "data"


def notice(data_noun: Path) -> str:
    """The licence at the head of `data.noun`, without the line numbers before it."""
    with data_noun.open(encoding="ascii") as file:
        lines = []
        for line in file:
            if not line.startswith("  "):
                break
            lines.append(line[4:].rstrip() + "\n")
    return "".join(lines)


def classes(synsets: Path, graph: SynsetGraph) -> str:
    """The 1000 wnids, one a line; raises BadInput for a list of another length, unsorted or with unknown wnids."""
    wnids = synsets.read_text(encoding="ascii").split()
    if len(wnids) != 1000 or wnids != sorted(set(wnids)):
        raise BadInput("is no list of 1000 different wnids in order", where=synsets)
    graph.positions(wnids)
    return "".join(wnid + "\n" for wnid in wnids)


def timm_synsets() -> Path:
    """The list in the installed timm, found without importing it."""
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        raise BadInput("timm is not installed", fix="pip install timm, or give --synsets FILE")
    return Path(spec.origin).parent / "data" / "_info" / "imagenet_synsets.txt"


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data-noun", type=Path, default=DATA_NOUN, help="WordNet 3.0's noun file")
    parser.add_argument("--synsets", type=Path, default=None, help="the 1000 wnids; timm's list by default")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write to")
    arguments = parser.parse_args()
    graph = read_wordnet(arguments.data_noun)
    write_text(arguments.out / "ilsvrc2012.txt", classes(arguments.synsets or timm_synsets(), graph))
    write_text(arguments.out / "WORDNET-LICENSE.txt", notice(arguments.data_noun))
    write_table(graph, arguments.out / "wordnet30.npz")


if __name__ == "__main__":
    main()
