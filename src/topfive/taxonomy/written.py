"""WrittenList: a class list as somebody wrote it, whatever is wrong with it; and the lists that have a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from topfive.records import BadInput, ClassList
from topfive.taxonomy.ilsvrc import ilsvrc_classes
from topfive.taxonomy.imagenet21k import (
    imagenet12k_classes,
    imagenet21k_classes,
    imagenet21k_google_classes,
    imagenet21k_microsoft_classes,
    imagenet21kp_fall2011_classes,
    imagenet21kp_winter2021_classes,
)
from topfive.taxonomy.spelling import meanings
from topfive.taxonomy.table import wordnet


def _kinds() -> ClassList:
    """All noun synsets that are kinds; an instance, as Etna, is no class."""
    graph = wordnet()
    instances = {graph.wnid(int(child)) for child in graph.child_of_link[graph.is_instance]}
    wnids = tuple(wnid for wnid in graph if wnid not in instances)
    return ClassList(wnids, tuple(graph.name(wnid) for wnid in wnids))


NAMED: Mapping[str, Callable[[], ClassList]] = {
    "ilsvrc": ilsvrc_classes,
    "21k": imagenet21k_classes,
    "21k-google": imagenet21k_google_classes,
    "21k-microsoft": imagenet21k_microsoft_classes,
    "21k-p": imagenet21kp_fall2011_classes,
    "21k-p-winter2021": imagenet21kp_winter2021_classes,
    "12k": imagenet12k_classes,
    "wordnet": _kinds,
}
"""Lists by name; those of ImageNet-21k come from an installed timm, `wordnet` is all noun synsets but the instances."""

WNID = re.compile(r"n[0-9]{8}")
"""What is written like a wnid, whether or not WordNet 3.0 has it."""

_LARGEST = 32 << 20
"""Bytes of a list: all of WordNet with names has 3 million. Guards against reading an archive as text."""
_LONGEST = 10_000
"""Letters of a row: a wnid, all its lemmas and the gloss have less than 1,000."""
_FIX = f"Give a classes.tsv, a dataset folder, a file of wnids or names one a line, or one of {', '.join(NAMED)}"


@dataclass(frozen=True)
class WrittenList:
    """Entry i stands in line `lines[i]` of `source` (from 1) and is written as `keys[i]`, a wnid or a name.

    `names[i]` is the name beside a wnid, empty where there is none; `synsets[i]` the noun synset of WordNet 3.0 that is
    meant (of a name with several meanings the first of `meanings`), None where there is none.
    """

    source: str
    lines: tuple[int, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    synsets: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def known(self) -> ClassList:
        """The synsets of the list in its order, each once, with WordNet's first lemma as name."""
        wnids = tuple(dict.fromkeys(wnid for wnid in self.synsets if wnid is not None))
        return ClassList(wnids, tuple(wordnet().name(wnid) for wnid in wnids))

    def strict(self) -> ClassList:
        """The list as it must be to choose from; raises BadInput naming the row that is unknown or stands twice."""
        seen: dict[str, int] = {}
        for line, key, wnid in zip(self.lines, self.keys, self.synsets, strict=True):
            if wnid is None:
                raise BadInput(f"{key!r} is no noun synset of WordNet 3.0", where=self.source, row=line, fix=_CHECK)
            if wnid in seen:
                raise BadInput(f"{key!r} stands in row {seen[wnid]} too", where=self.source, row=line, fix=_CHECK)
            seen[wnid] = line
        return self.known


_CHECK = "`topfive taxonomy check FILE` lists all that is wrong with a list"


def read_written(source: str | Path) -> WrittenList:
    """Read a list by its name in NAMED, a `classes.tsv`, a dataset folder, or a file of wnids or names one a line.

    A wnid may be followed by a tab, spaces, a comma, semicolon or colon and a name; both may stand in double quotes.
    Empty lines and lines that begin with `#` are passed over. Raises BadInput where there is no such file, no entry or
    no text in it, or a row of more than 10,000 letters; what an entry says is not judged.
    """
    if str(source) in NAMED:
        classes = NAMED[str(source)]()
        return WrittenList(
            str(source), tuple(range(1, len(classes) + 1)), classes.wnids, ("",) * len(classes), classes.wnids
        )
    if not str(source).strip():
        raise BadInput("no class list is named", fix=_FIX)
    path = Path(source)
    path = path / "classes.tsv" if path.is_dir() else path
    lines = _text(path).splitlines()
    tabled = bool(lines) and lines[0].split("\t")[:2] == ["index", "wnid"]
    entries: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines, start=1):
        if (tabled and number == 1) or not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(line) > _LONGEST:
            raise BadInput(f"has {len(line):,} letters, too many for a class", where=path, row=number, fix=_FIX)
        fields = line.split("\t")[1:] if tabled else [line]
        key, name = _key_and_name(fields)
        entries.append((number, key, name))
    if not entries:
        raise BadInput("holds no class", where=path, fix=_FIX)
    return _written(str(path), entries)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise BadInput(f"has more than {_LARGEST} bytes, too much for a class list", where=path, fix=_FIX)
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot be read as a class list ({error.strerror})", where=path, fix=_FIX) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"is no text (byte {error.start})", where=path, fix=_FIX) from error


def _key_and_name(fields: Sequence[str]) -> tuple[str, str]:
    if len(fields) > 1:
        return fields[0].strip(), fields[1].strip()
    text = fields[0].strip() if fields else ""
    match = re.fullmatch(r'"?(n[0-9]{8})"?[\s,;:]+"?(.*?)"?', text)
    return (match[1], match[2].strip()) if match else (text, "")


def _written(source: str, entries: Sequence[tuple[int, str, str]]) -> WrittenList:
    graph = wordnet()
    synsets: list[str | None] = []
    for _, key, _ in entries:
        if WNID.fullmatch(key):
            synsets.append(key if key in graph else None)
        else:
            synsets.append(next(iter(meanings(key)), None))
    lines, keys, names = zip(*entries, strict=True)
    return WrittenList(source, lines, keys, names, tuple(synsets))
