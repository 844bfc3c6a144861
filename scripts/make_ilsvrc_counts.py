"""The number of training pictures of each ILSVRC2012 class: python scripts/make_ilsvrc_counts.py DEVKIT.

Reads `num_train_images` of the kit's meta.mat and writes src/topfive/dataset/data/ilsvrc2012_train_counts.txt, one
number a line in the order of the classes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from topfive.records import write_text
from topfive.taxonomy import ilsvrc_classes, read_devkit

OUT = Path(__file__).resolve().parents[1] / "src" / "topfive" / "dataset" / "data" / "ilsvrc2012_train_counts.txt"


def main() -> None:
    kit = read_devkit(Path(sys.argv[1]))
    counts = dict(zip(kit.wnids, kit.n_train_images.tolist(), strict=True))
    write_text(OUT, "".join(f"{counts[wnid]}\n" for wnid in ilsvrc_classes().wnids))


if __name__ == "__main__":
    main()
