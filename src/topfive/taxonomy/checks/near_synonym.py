"""Classes that language hardly parts: plurals and other spellings, one name inside the other. No gloss is read."""

from __future__ import annotations

from collections.abc import Iterator

from topfive.records import Finding
from topfive.taxonomy.listed import Listed, finding
from topfive.taxonomy.spelling import singulars
from topfive.taxonomy.table import wordnet

WHAT = "near-synonyms: names that differ in spelling only, a name within a name"

_NEAR = 4
"""Most height of the common ancestor: `bathing tub` and `tub` meet in height 4, `meat market` and `market` too, while
`sea lion` and `lion` meet in 8 and are no kin of that kind."""


def findings(listed: Listed) -> Iterator[Finding]:
    """One finding a pair of classes, of the first of the two reasons that holds; a class above another is none."""
    graph = wordnet()
    seen: set[frozenset[str]] = set()
    for kind, pairs in (("spelling", _spellings(listed)), ("inside", _inside(listed))):
        for a, b, said in pairs:
            pair = frozenset((a, b))
            if len(pair) < 2 or pair in seen or a in graph.ancestors(b) or b in graph.ancestors(a):
                continue
            height = min(graph.height(wnid) for wnid in graph.lowest_common(a, b))
            if kind == "inside" and height > _NEAR:
                continue
            seen.add(pair)
            severity = 0.5 if kind == "inside" else 0.8
            yield finding("near_synonym", severity, (a, b), said, rule=kind, height=height)


def _spellings(listed: Listed) -> Iterator[tuple[str, str, str]]:
    for lemma, owners in listed.by_lemma.items():
        shut = lemma.replace(b"_", b"")
        forms = {*singulars(lemma), *([shut] if shut != lemma else [])}
        for form in sorted(forms & listed.by_lemma.keys()):
            for a in owners:
                for b in listed.by_lemma[form]:
                    yield b, a, f"{_shown(lemma)!r} and {_shown(form)!r} differ in spelling only"


def _inside(listed: Listed) -> Iterator[tuple[str, str, str]]:
    for lemma, owners in listed.by_lemma.items():
        words = lemma.split(b"_")
        for start in range(1, len(words)):
            tail = b"_".join(words[start:])
            for a in owners:
                for b in listed.by_lemma.get(tail, ()):
                    reason = f"{_shown(lemma)!r} reads as a kind of {_shown(tail)!r}, but WordNet does not put it below"
                    yield a, b, reason


def _shown(folded: bytes) -> str:
    return folded.decode().replace("_", " ")
