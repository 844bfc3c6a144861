"""Class names that are words: which synsets they mean, offered beside the set and used where it is asked for."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from topfive.dataset.found import Found, is_wnid, named_classes
from topfive.dataset.options import ImportOptions
from topfive.records import UNKNOWN, BadInput, unreadable, write_text
from topfive.taxonomy import ilsvrc_classes, meanings, wordnet

FILE = "class_names.tsv"
_HEAD = "name\twnid\thow\tothers"
_MOST_OTHERS = 5
_LONGEST = 500
"""Letters of a class name at most."""


class Meaning(NamedTuple):
    """What a class name means: a wnid (empty where it is open), how that was found, and the other synsets it may be."""

    name: str
    wnid: str
    how: str
    others: tuple[str, ...]


def is_plain(name: str) -> bool:
    """Whether text can be a class: of at most 500 letters, without control characters and ends of lines."""
    return 0 < len(name) <= _LONGEST and not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name)


def offered(names: Sequence[str]) -> list[Meaning]:
    """The synset of each name where there is no doubt: the one ILSVRC class of that name, else its only meaning."""
    classes = ilsvrc_classes().index
    found = []
    for name in names:
        every = meanings(name)
        known = [wnid for wnid in every if wnid in classes]
        if len(known) == 1:
            wnid, how = known[0], "the ILSVRC class of that name"
        elif len(every) == 1:
            wnid, how = every[0], "its only meaning in WordNet"
        else:
            wnid, how = "", f"has {len(every)} meanings" if every else "is no lemma of WordNet"
        others = tuple(other for other in every if other != wnid)[:_MOST_OTHERS]
        found.append(Meaning(name, wnid, how, others))
    return found


def keyed_by_wnid(found: Found, options: ImportOptions, into: Path) -> Found:
    """Write down in `into` what the names of classes mean; with `options.wnids` the classes take these wnids as keys.

    `options.mapping` is such a file, completed by hand, and goes before. Names without a wnid stay as they are. Raises
    BadInput where two classes would have one wnid, and for a mapping that cannot be used.
    """
    names = [key for key in found.classes.wnids if not is_wnid(key)]
    if options.mapping is None and not names:
        return found
    by_hand = {} if options.mapping is None else read_mapping(options.mapping)
    rows = [
        Meaning(row.name, by_hand[row.name], "by hand", row.others) if row.name in by_hand else row
        for row in offered(names)
    ]
    graph = wordnet()
    lines = [_HEAD]
    for row in rows:
        others = ", ".join(f"{wnid} {graph.lemmas(wnid)[0]}" for wnid in row.others)
        lines.append(f"{row.name}\t{row.wnid}\t{row.how}\t{others}")
    write_text(into / FILE, "\n".join(lines) + "\n")
    if not (options.wnids or options.mapping):
        return found
    return _renamed(found, {row.name: row.wnid for row in rows if row.wnid}, options.mapping or into / FILE)


def read_mapping(path: Path) -> dict[str, str]:
    """Name to wnid of a file as `keyed_by_wnid` writes it: tab-separated, a head line, further columns ignored."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable("a mapping of class names", path, error) from error
    if not lines or lines[0].split("\t")[:2] != ["name", "wnid"]:
        raise BadInput("is no mapping of class names", where=path, row=1, fix="Begin it with the line 'name<tab>wnid'")
    found: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        name, _, rest = line.partition("\t")
        name = name.strip()
        wnid = rest.partition("\t")[0].strip()
        if not name or not wnid:
            continue
        if wnid not in wordnet():
            raise BadInput(f"{wnid!r} is no noun synset of WordNet 3.0", where=path, row=number)
        if found.setdefault(name, wnid) != wnid:
            raise BadInput(f"name {name!r} stands twice", where=path, row=number)
    return found


def _renamed(found: Found, wnids: Mapping[str, str], where: Path) -> Found:
    keys = [wnids.get(key, key) for key in found.classes.wnids]
    first: dict[str, str] = {}
    for old, key in zip(found.classes.wnids, keys, strict=True):
        if first.setdefault(key, old) != old:
            raise BadInput(
                f"classes {first[key]!r} and {old!r} would both be {key}",
                where=where,
                fix="Give one of them another wnid, or none, and name the file by --mapping",
            )
    ordered = sorted(keys)
    classes = named_classes(ordered, where)
    place = np.array([classes.index[key] for key in keys], dtype=np.int32)
    before = found.images.class_index
    index = np.where(before == UNKNOWN, UNKNOWN, place[np.maximum(before, 0)]).astype(np.int32)
    return replace(found, images=replace(found.images, class_index=index), classes=classes)
