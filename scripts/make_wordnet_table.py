"""Make the data files of the taxonomy room from WordNet 3.0 and what timm's wheel carries.

    python scripts/make_wordnet_table.py [--data-noun FILE] [--timm FOLDER] [--out FOLDER]

Writes `wordnet30.npz` (the noun synsets without glosses), `wordnet30_parts.npz` (what is part of what),
`WORDNET-LICENSE.txt` (WordNet's own notice, which its licence wants beside every copy), `ilsvrc2012.txt` (the 1000
wnids) and `together.tsv` (classes that are right for one picture together). The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import combinations
from pathlib import Path

from topfive.records import BadInput, write_text
from topfive.taxonomy import DATA_NOUN, SynsetGraph, read_parts, read_wordnet, timm_info, write_part_table, write_table

OUT = Path(__file__).resolve().parents[1] / "src" / "topfive" / "taxonomy" / "data"
LEAST_TOGETHER = 5
"""Fewest pictures of a pair: 567 of the 5,883 pairs have as many, and fewer may be the whim of one rater."""


def notice(data_noun: Path) -> str:
    """The licence at the head of `data.noun`, without the line numbers before it."""
    with data_noun.open(encoding="ascii") as file:
        lines = []
        for line in file:
            if not line.startswith("  "):
                break
            lines.append(line[4:].rstrip() + "\n")
    return "".join(lines)


def classes(synsets: Path, graph: SynsetGraph) -> list[str]:
    """The 1000 wnids; raises BadInput for a list of another length, unsorted or with unknown wnids."""
    wnids = synsets.read_text(encoding="ascii").split()
    if len(wnids) != 1000 or wnids != sorted(set(wnids)):
        raise BadInput("is no list of 1000 different wnids in order", where=synsets)
    graph.positions(wnids)
    return wnids


def together(labels: Path, wnids: list[str]) -> str:
    """Pairs of classes that the ReaL labels of the validation images name together, the most frequent first."""
    rows: list[list[int]] = json.loads(labels.read_text(encoding="ascii"))
    alone = Counter(index for row in rows for index in row)
    pairs = Counter(pair for row in rows for pair in combinations(sorted(row), 2))
    lines = [
        "# ReaL labels of the 50,000 ILSVRC2012 validation images (Beyer et al. 2020, Apache-2.0), counted:",
        "# wnid, wnid, images for which both are right, images for which the first is, for which the second is",
    ]
    for (a, b), both in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
        if both >= LEAST_TOGETHER:
            lines.append(f"{wnids[a]}\t{wnids[b]}\t{both}\t{alone[a]}\t{alone[b]}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the five files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data-noun", type=Path, default=DATA_NOUN, help="WordNet 3.0's noun file")
    parser.add_argument(
        "--timm", type=Path, default=None, help="timm's folder data/_info; the installed one by default"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write to")
    arguments = parser.parse_args()
    info = arguments.timm or timm_info("imagenet_synsets.txt").parent
    graph = read_wordnet(arguments.data_noun)
    wnids = classes(info / "imagenet_synsets.txt", graph)
    write_text(arguments.out / "ilsvrc2012.txt", "".join(wnid + "\n" for wnid in wnids))
    write_text(arguments.out / "together.tsv", together(info / "imagenet_real_labels.json", wnids))
    write_text(arguments.out / "WORDNET-LICENSE.txt", notice(arguments.data_noun))
    write_table(graph, arguments.out / "wordnet30.npz")
    write_part_table(read_parts(arguments.data_noun), arguments.out / "wordnet30_parts.npz")


if __name__ == "__main__":
    main()
