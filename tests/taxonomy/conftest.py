"""Small WordNets to read: the writer of a well-formed noun file, and the real one where it is installed."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from topfive.taxonomy import DATA_NOUN, SynsetGraph, read_wordnet

LICENCE = b"  1 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  \n"

TOY: Mapping[str, Sequence[str]] = {
    "entity": [],
    "animal": ["@ entity"],
    "pet": ["@ entity"],
    "dog domestic_dog": ["@ animal", "@ pet"],
    "puppy": ["@ dog"],
    "Rex": ["@i dog"],
    "cat": ["@ animal", "@ pet"],
    "stone": ["@ entity"],
}
"""Lemmas to links upwards, each a symbol and the first lemma of the parent."""


def noun_file(synsets: Mapping[str, Sequence[str]]) -> tuple[bytes, dict[str, str]]:
    """The bytes of a `data.noun` with these synsets in this order, and the wnid of each first lemma."""
    names = [lemmas.split()[0] for lemmas in synsets]
    links = [
        (name, *link.split()) for name, row in zip(names, synsets.values(), strict=True) for link in row
    ]  # child, symbol, parent
    offset = dict.fromkeys(names, 0)
    for _ in range(2):  # the offsets have a fixed width, so that the second round knows them
        content = LICENCE
        for name, lemmas in zip(names, synsets, strict=True):
            offset[name] = len(content)
            words = " ".join(f"{lemma} 0" for lemma in lemmas.split())
            pointers = [f"{s} {offset[parent]:08d} n 0000" for child, s, parent in links if child == name]
            pointers += [f"~{s[1:]} {offset[child]:08d} n 0000" for child, s, parent in links if parent == name]
            pointers.append(f"+ {7:08d} v 0101")
            line = f"{offset[name]:08d} 03 n {len(lemmas.split()):02x} {words} {len(pointers):03d} {' '.join(pointers)}"
            content += f"{line} | the gloss of {name}  \n".encode()
    return content, {name: f"n{place:08d}" for name, place in offset.items()}


Writer = Callable[[Mapping[str, Sequence[str]]], tuple[Path, dict[str, str]]]


@pytest.fixture
def write_noun(tmp_path: Path) -> Writer:
    """Write a `data.noun` with some synsets; gives its path and the wnids by first lemma."""

    def write(synsets: Mapping[str, Sequence[str]]) -> tuple[Path, dict[str, str]]:
        content, wnids = noun_file(synsets)
        path = tmp_path / "data.noun"
        path.write_bytes(content)
        return path, wnids

    return write


@pytest.fixture
def toy_noun(write_noun: Writer) -> tuple[Path, dict[str, str]]:
    """The noun file of TOY."""
    return write_noun(TOY)


@pytest.fixture
def toy(toy_noun: tuple[Path, dict[str, str]]) -> tuple[SynsetGraph, dict[str, str]]:
    """The graph of TOY and the wnids by first lemma."""
    path, wnids = toy_noun
    return read_wordnet(path, glosses=True), wnids


@pytest.fixture(scope="session")
def installed() -> SynsetGraph:
    """WordNet 3.0 as Debian installs it."""
    if not DATA_NOUN.exists():
        pytest.skip("WordNet 3.0 is not installed: apt-get install wordnet-base")
    return read_wordnet(DATA_NOUN, glosses=True)


@pytest.fixture(scope="session")
def nltk_wordnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """NLTK's reader on a copy of the installed WordNet 3.0: it reads only below its own path, and wants `lexnames`."""
    nltk = pytest.importorskip("nltk", reason="pip install nltk")
    if not DATA_NOUN.exists():
        pytest.skip("WordNet 3.0 is not installed: apt-get install wordnet-base")
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        def map_wn(self, version: str = "wordnet") -> None:
            """No mapping to the multilingual WordNets, which would want a download."""

    root = tmp_path_factory.mktemp("nltk") / "wordnet"
    root.mkdir()
    for file in DATA_NOUN.parent.iterdir():
        if file.is_file():
            shutil.copy(file, root / file.name)
    (root / "lexnames").write_text("".join(f"{number:02d}\tname{number}\t1\n" for number in range(45)))
    nltk.data.path.insert(0, str(root.parent))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The multilingual functions")
        reader = Reader(str(root), None)
    yield reader
    nltk.data.path.remove(str(root.parent))
    reader._data_file_map[nltk.corpus.reader.wordnet.NOUN].close()
