"""Listed: what the checks of a class list read, made once; and the finding that they write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from topfive.records import Finding
from topfive.taxonomy.spelling import fold
from topfive.taxonomy.table import wordnet
from topfive.taxonomy.tree import ClassTree, class_tree
from topfive.taxonomy.written import WrittenList


@dataclass(frozen=True)
class Listed:
    """A list as written, the tree above those of its entries that are synsets (each once), and their lemmas."""

    written: WrittenList

    @cached_property
    def tree(self) -> ClassTree:
        """The tree above the known classes."""
        return class_tree(self.written.known)

    @cached_property
    def by_lemma(self) -> dict[bytes, list[str]]:
        """Folded lemma to the classes that have it."""
        found: dict[bytes, list[str]] = {}
        for wnid in self.written.known.wnids:
            for lemma in dict.fromkeys(fold(lemma) for lemma in wordnet().lemmas(wnid)):
                found.setdefault(lemma, []).append(wnid)
        return found


def finding(kind: str, severity: float, wnids: tuple[str, ...], reason: str, **evidence: Any) -> Finding:
    """A finding of the audit `class-list`; the ids are wnids, the kind stands first in the evidence."""
    return Finding("class-list", round(severity, 4), wnids, reason, {"kind": kind, **evidence})
