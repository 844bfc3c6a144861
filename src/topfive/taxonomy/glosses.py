"""What a synset means: the gloss of an installed WordNet, or else the definition that timm's wheel carries."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from topfive.records import BadInput
from topfive.taxonomy.data_noun import DATA_NOUN, read_gloss
from topfive.taxonomy.imagenet21k import timm_info


def gloss_of(
    wnid: str, lemmas: tuple[str, ...], *, data_noun: Path = DATA_NOUN, definitions: Path | None = None
) -> str | None:
    """The definition and examples from WordNet 3.0's `data_noun`; else the definition in `definitions`; else None.

    `definitions` has `wnid<TAB>definition` a line (None: that of the installed timm, for ImageNet's synsets only).
    """
    gloss = read_gloss(data_noun, wnid, lemmas)
    if gloss is not None:
        return gloss
    text = _definitions(definitions)
    start = text.find(f"\n{wnid}\t".encode())
    if start < 0:
        return None
    return text[start + len(wnid) + 2 : text.find(b"\n", start + 1)].decode("utf-8", "replace").strip()


@cache
def _definitions(path: Path | None) -> bytes:
    """The file between two line ends; empty where there is none. 1.7 MB, read once: `find` shows ten synsets."""
    try:
        found = timm_info("imagenet_synset_to_definition.txt") if path is None else path
        return b"\n" + found.read_bytes() + b"\n"
    except (BadInput, OSError):
        return b"\n"
