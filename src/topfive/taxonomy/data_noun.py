"""The reader of WordNet's own noun file, `data.noun`: its graph, what is part of what, and single glosses."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import numpy as np

from topfive.records import BadInput
from topfive.taxonomy.graph import SynsetGraph
from topfive.taxonomy.parts import PART_KINDS, PartLinks

DATA_NOUN = Path("/usr/share/wordnet/data.noun")
"""Where Debian's package `wordnet-base` puts WordNet 3.0."""

_FIX = "Use the unchanged data.noun of WordNet 3.0 (Debian: apt-get install wordnet-base)"
_SYNSET = re.compile(
    rb"(\d{8}) \d\d n ([0-9a-f]{2})((?: [!-~]+ [0-9a-f])+) (\d{3})((?: [!-~]+ \d{8} [nvars] [0-9a-f]{4})*) $"
)
_UP = {b"@": 0, b"@i": 1}
_DOWN = {b"~": 0, b"~i": 1}
_HAS = {f"%{kind[0]}".encode(): code for code, kind in enumerate(PART_KINDS)}
_OF = {f"#{kind[0]}".encode(): code for code, kind in enumerate(PART_KINDS)}

_Link = tuple[int, int, int]
"""Offsets of the lower and the upper end (child and parent, part and whole) and the kind: 1 for an instance."""


@dataclass(frozen=True)
class _Synset:
    row: int
    offset: int
    lemmas: bytes
    up: tuple[_Link, ...]
    down: tuple[_Link, ...]
    of: tuple[_Link, ...]
    has: tuple[_Link, ...]
    gloss: str


def read_wordnet(path: Path, *, glosses: bool = False) -> SynsetGraph:
    """Read `data.noun` of WordNet 3.0.

    Raises BadInput naming the line that is malformed, that does not stand at the byte its offset says (the file was
    edited, or its line ends were changed), that points at a synset which is not there or does not point back (the
    file was cut), or that closes a circle.
    """
    synsets = _read_synsets(Path(path))
    _check_links(synsets, Path(path))
    position = {synset.offset: place for place, synset in enumerate(synsets)}
    links = [sorted((position[parent], instance) for _, parent, instance in synset.up) for synset in synsets]
    return SynsetGraph(
        offsets=np.array([synset.offset for synset in synsets], dtype=np.int32),
        parent_start=np.concatenate([[0], np.cumsum([len(row) for row in links])]).astype(np.int32),
        parent_positions=np.array([parent for parent, _ in chain(*links)], dtype=np.int32),
        is_instance=np.array([instance for _, instance in chain(*links)], dtype=np.bool_),
        lemma_text=b"".join(synset.lemmas + b"\n" for synset in synsets),
        glosses=tuple(synset.gloss for synset in synsets) if glosses else None,
    )


def read_parts(path: Path) -> PartLinks:
    """Read what is a member, a substance or a part of what (`%m`, `%s`, `%p`) from `data.noun` of WordNet 3.0.

    Raises BadInput as `read_wordnet` does.
    """
    synsets = _read_synsets(Path(path))
    _check_links(synsets, Path(path))
    position = {synset.offset: place for place, synset in enumerate(synsets)}
    links = sorted((position[whole], position[part], kind) for part, whole, kind in chain(*(s.has for s in synsets)))
    wholes, parts, kinds = np.array(links, dtype=np.int32).reshape(-1, 3).T
    return PartLinks(wholes, parts, kinds.astype(np.uint8))


def read_gloss(path: Path, wnid: str, lemmas: tuple[str, ...]) -> str | None:
    """The gloss of one synset, read at its offset without reading the file.

    None where there is no such file or where another synset, or none, stands at that place (another version).
    """
    try:
        with Path(path).open("rb") as file:
            file.seek(int(wnid[1:]))
            synset = _parse(file.readline(), 0)
    except (OSError, ValueError):
        return None
    same = f"n{synset.offset:08d}" == wnid and synset.lemmas.decode("ascii").split(" ") == list(lemmas)
    return synset.gloss if same else None


def _read_synsets(path: Path) -> list[_Synset]:
    synsets: list[_Synset] = []
    place, version_seen = 0, False
    try:
        with path.open("rb") as file:
            for row, line in enumerate(file, start=1):
                if line.startswith(b"  "):
                    version_seen = version_seen or b"WordNet 3.0" in line
                else:
                    synset = _parse(line, row)
                    if synset.offset != place:
                        raise ValueError(f"its offset is {synset.offset} but it stands at byte {place}")
                    synsets.append(synset)
                place += len(line)
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path, fix=_FIX) from error
    except ValueError as error:
        raise BadInput(str(error), where=path, row=row, fix=_FIX) from error
    if not version_seen:
        raise BadInput("its licence lines do not say 'WordNet 3.0'", where=path, fix=_FIX)
    if not synsets:
        raise BadInput("holds no synset", where=path, fix=_FIX)
    return synsets


def _parse(line: bytes, row: int) -> _Synset:
    head, bar, gloss = line.partition(b"| ")
    match = _SYNSET.match(head)
    if match is None or not bar or not gloss.endswith(b"\n"):
        raise ValueError(f"is no whole line of a noun synset: {line[:60].decode('latin-1')!r}")
    offset = int(match[1])
    words = match[3].split()[::2]
    if len(words) != int(match[2], 16):
        raise ValueError(f"says {int(match[2], 16)} words and has {len(words)}")
    pointers = match[5].split()
    if len(pointers) != 4 * int(match[4]):
        raise ValueError(f"says {int(match[4])} pointers and has {len(pointers) // 4}")
    up, down, of, has = [], [], [], []
    for symbol, target, part_of_speech, ends in zip(*(pointers[field::4] for field in range(4)), strict=True):
        if not any(symbol in symbols for symbols in (_UP, _DOWN, _OF, _HAS)):
            continue
        if part_of_speech != b"n" or ends != b"0000":
            raise ValueError(f"its pointer {symbol.decode()} {target.decode()} does not lead from synset to synset")
        other = int(target)
        if symbol in _UP:
            up.append((offset, other, _UP[symbol]))
        elif symbol in _DOWN:
            down.append((other, offset, _DOWN[symbol]))
        elif symbol in _OF:
            of.append((offset, other, _OF[symbol]))
        else:
            has.append((other, offset, _HAS[symbol]))
    links = (tuple(up), tuple(down), tuple(of), tuple(has))
    return _Synset(row, offset, b" ".join(words), *links, gloss.decode("ascii").strip())


def _check_links(synsets: list[_Synset], path: Path) -> None:
    rows = {synset.offset: synset.row for synset in synsets}
    for lower, upper in (("up", "down"), ("of", "has")):
        from_below: set[_Link] = set(chain.from_iterable(getattr(synset, lower) for synset in synsets))
        from_above: set[_Link] = set(chain.from_iterable(getattr(synset, upper) for synset in synsets))
        for synset in synsets:
            for link in getattr(synset, lower) + getattr(synset, upper):
                other = link[1] if link[0] == synset.offset else link[0]
                if other not in rows:
                    raise BadInput(
                        f"points at n{other:08d}, which is not in the file", where=path, row=synset.row, fix=_FIX
                    )
                if link not in (from_above if link[0] == synset.offset else from_below):
                    raise BadInput(f"n{other:08d} does not point back", where=path, row=synset.row, fix=_FIX)
    for synset in synsets:
        twice = [parent for parent, count in Counter(parent for _, parent, _ in synset.up).items() if count > 1]
        if twice:
            raise BadInput(f"names its parent n{twice[0]:08d} twice", where=path, row=synset.row, fix=_FIX)
    try:
        TopologicalSorter({s.offset: [parent for _, parent, _ in s.up] for s in synsets}).prepare()
    except CycleError as error:
        first = error.args[1][0]
        raise BadInput(f"n{first:08d} is above itself", where=path, row=rows[first], fix=_FIX) from error
