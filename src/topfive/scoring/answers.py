"""Answers of language models in free text: read from JSON lines, matched to classes, scored with abstentions as errors.

A match is made of names alone, by rules that can be read here: no likeness, no model. What two classes share (crane),
what names no class and what declines to answer is an abstention, and an abstention is an error: leaving images out
would reward silence.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from topfive.records import UNKNOWN, BadInput, ClassList, Scores, Truth
from topfive.scoring.intervals import wilson
from topfive.scoring.marking import positions_of_classes, rows_by_id

PROTOCOL = "free-text-top5/1"
"""As `ilsvrc-top5/1`, with guesses that may be missing: up to five answers an image, best first, each matched to at
most one class by name; an answer that matches none or several takes its place and is wrong."""

N_GUESSES = 5
MAX_BYTES = 256 << 20
MAX_ANSWER = 20_000
"""Characters of one answer: a page of prose is no answer, and matching it is work."""

Kind = Literal["matched", "ambiguous", "abstained", "unmatched"]
KINDS: tuple[Kind, ...] = ("matched", "ambiguous", "abstained", "unmatched")


@dataclass(frozen=True)
class Answers:
    """`texts[i]` are the answers for image `ids[i]`, best first, at most five, maybe none."""

    ids: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Guesses:
    """`top_index` int32 [n, 5] into `classes`, best first, UNKNOWN where an answer is missing or names no class.

    No `Predictions`, which holds as many guesses for every image. `kind` int8 [n, 5] is a position in KINDS, UNKNOWN
    where there is no answer; a class named again is UNKNOWN the second time, and of kind matched.
    """

    ids: tuple[str, ...]
    top_index: NDArray[np.int32]
    kind: NDArray[np.int8]
    classes: ClassList

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> dict[str, int]:
        """Images by what became of their first answer; no answer at all is an abstention."""
        first = np.where(self.kind[:, 0] == UNKNOWN, KINDS.index("abstained"), self.kind[:, 0])
        return {kind: int(np.count_nonzero(first == i)) for i, kind in enumerate(KINDS)}


def read_answers(path: Path) -> Answers:
    """Read JSON lines, each {"image_id": ..., "answer": "..."} or {"image_id": ..., "answers": [up to five]}.

    An answer may be null (the model gave none). Other keys are ignored. Raises BadInput naming file and line for a
    blank or malformed line, an image_id twice, more than five answers, and for what is no text.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"is over {MAX_BYTES >> 20} MiB", where=path, fix="Write one short line an image")
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path) from error
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise BadInput("is empty", where=path, fix="Write one JSON object a line")
    first: dict[str, int] = {}
    texts = []
    for row, line in enumerate(lines, start=1):
        image_id, answers = _parsed(line, path, row)
        if first.setdefault(image_id, row) != row:
            raise BadInput(f"image_id {image_id!r} stands twice (first in row {first[image_id]})", where=path, row=row)
        texts.append(answers)
    return Answers(tuple(first), tuple(texts))


def _parsed(line: bytes, path: Path, row: int) -> tuple[str, tuple[str, ...]]:
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        reason = "is blank" if not line.strip() else f"is no JSON object ({str(error)[:120]})"
        raise BadInput(reason, where=path, row=row, fix='Write {"image_id": ..., "answer": ...}') from error
    if not isinstance(value, dict) or not isinstance(value.get("image_id"), str) or not value["image_id"]:
        raise BadInput("has no image_id that is text", where=path, row=row)
    if ("answer" in value) == ("answers" in value):
        raise BadInput("needs one of 'answer' and 'answers'", where=path, row=row)
    answers = value["answers"] if "answers" in value else [value["answer"]]
    if not isinstance(answers, list) or not all(text is None or isinstance(text, str) for text in answers):
        raise BadInput("has answers that are no text", where=path, row=row, fix='Quote numbers: "3"')
    if len(answers) > N_GUESSES:
        raise BadInput(f"has {len(answers)} answers, at most {N_GUESSES} count", where=path, row=row)
    if any(len(text or "") > MAX_ANSWER for text in answers):
        raise BadInput(f"has an answer of over {MAX_ANSWER} characters", where=path, row=row)
    if any(0xD800 <= ord(c) < 0xE000 for c in value["image_id"]):
        raise BadInput("has an image_id with half a character", where=path, row=row)
    return value["image_id"], tuple(text or "" for text in answers)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, in which no key may stand twice: of two answers nobody knows which counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


# Matching

_ARTICLES = frozenset(("a", "an", "the", "some"))
_DROPPED = re.compile("['\u2019\u02bc`\u00b4]")
_WORD = re.compile(r"[^\W_]+")
_CUE = re.compile(
    r"\b(?:(?:final |best |correct |my )*(?:answer|guess|label|prediction|classification)\s*(?:is|:|=|would be))"
)
"""What follows the last of these is the answer; what stands before it is thought."""
_REFUSAL = re.compile(
    r"\b(?:can ?not|cant|could ?nt|could not|unable to|dont know|do not know|not able to|no idea|not sure|unsure"
    r"|impossible to|not possible to|unclear|as an ai|sorry|none of (?:the|these)|not enough (?:detail|information)"
    r"|insufficient|too (?:blurry|dark|small))\b|^\W*(?:unknown|none|n/?a|null|idk|no answer|other)\W*$"
)
_HEDGE = re.compile(
    r"\b(?:but|however|nevertheless|still|best guess|my guess|i would guess|id guess|if i had to|probably|most likely"
    r"|looks like|appears to be|seems to be|might be|could be|may be)\b|:"
)
"""Where a refusal goes on with one of these, what follows the first of them is an answer after all."""
_NOT = (("not",), ("isnt",), ("arent",), ("wasnt",), ("unlike",), ("nor",), ("rather", "than"), ("instead", "of"))
_NUMBER = re.compile(
    r"[\s\"'(\[#.:=*`]*(?:(?:class|index|label|category|number|no|id)\b[\s\"'(\[#.:=*`]*)*(\d{1,9})[\s\"')\].,;*`]*"
)
"""A number alone, in quotes or brackets perhaps: -1 and 5 % are no class."""
_NUMBER_AND_NAME = re.compile(r"\W*(?:(?:class|index|label|category)\W+)?(\d{1,9})\s*[:=]\s*(\S.*)", re.DOTALL)
_WNID = re.compile(r"\bn\d{8}\b")

Words = tuple[str, ...]


def _singulars(word: str) -> tuple[str, ...]:
    """What a word may be the plural of, the word itself first: shoes, shoe, sho; berries, berrie, berri, berry."""
    found = [word]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        found.append(word[:-1])
        if word.endswith("es"):
            found.append(word[:-2])
        if word.endswith("ies"):
            found.append(word[:-3] + "y")
    return tuple(found)


def words_of(text: str) -> Words:
    """The words of a text without case, accents, apostrophes, punctuation and articles."""
    plain = unicodedata.normalize("NFKD", _DROPPED.sub("", text.casefold()))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return tuple(word for word in _WORD.findall(plain) if word not in _ARTICLES)


class Matcher:
    """Finds the class that an answer names, by the classes' keys, names and synonyms (wnid to further names).

    A name with commas ('tench, Tinca tinca') is also each of its parts. Raises BadInput for a synonym of no class.
    """

    def __init__(self, classes: ClassList, synonyms: Mapping[str, Sequence[str]] = {}) -> None:
        classes.check("classes")
        self.classes = classes
        self._raw: dict[str, set[int]] = {}
        self._strict: dict[Words, set[int]] = {}
        self._loose: dict[Words, set[int]] = {}
        strange = [wnid for wnid in synonyms if wnid not in classes.index]
        if strange:
            raise BadInput(f"{strange[0]!r} is none of the {len(classes)} classes", where="synonyms")
        for k, (wnid, name) in enumerate(zip(classes.wnids, classes.names, strict=True)):
            for known in {wnid, name, *name.split(","), *synonyms.get(wnid, ())}:
                self._raw.setdefault(known.strip().casefold(), set()).add(k)
                words = words_of(known.replace("_", " "))
                if words:
                    self._strict.setdefault(words, set()).add(k)
                    for last in _singulars(words[-1]):
                        self._loose.setdefault((*words[:-1], last), set()).add(k)
        self._longest = max(map(len, self._strict), default=0)

    def match(self, answer: str) -> tuple[Kind, int]:
        """What the answer is and the class_index that it names, UNKNOWN unless it is matched.

        In this order: a key or name as it stands; a class_index; a name but for case, punctuation, articles and plural;
        then, in what follows the last 'answer is' (or the whole), the name of most words. Names under a 'not' are none.
        A refusal abstains, unless it goes on ('but it looks like'). Names that classes share are ambiguous.
        """
        text = answer.strip()
        found = self._raw.get(text.casefold(), set())
        if text and not found:
            found = self._whole(text)
        if found:
            return _told(found)
        text = _DROPPED.sub("", text.casefold())
        cues = list(_CUE.finditer(text))
        if cues and words_of(text[cues[-1].end() :]):
            text = text[cues[-1].end() :].strip()
            found = self._whole(text)
            if found:
                return _told(found)
        if _REFUSAL.search(text):
            refusal = _REFUSAL.search(text)
            assert refusal is not None
            before = self._contained(text[: refusal.start()])
            if len(before) == 1:
                return _told(before)  # it has named a class, and is modest about it
            hedge = _HEDGE.search(text, refusal.end())
            if hedge is None:
                return "abstained", UNKNOWN
            text = text[hedge.end() :]
        if not words_of(text):
            return "abstained", UNKNOWN
        return _told(self._contained(text))

    def _whole(self, text: str) -> set[int]:
        """The classes that the whole text names, or numbers."""
        number = _NUMBER.fullmatch(text.casefold())
        if number and int(number[1]) < len(self.classes):
            return {int(number[1])}
        both = _NUMBER_AND_NAME.fullmatch(text.casefold())
        if both and int(both[1]) < len(self.classes):
            named = self._contained(both[2])
            return named | {int(both[1])} if named else set()
        return self._at(words_of(text))

    def _contained(self, text: str) -> set[int]:
        """The classes of the longest names, in words, that the text holds."""
        keys = {self.classes.index[key] for key in _WNID.findall(text) if key in self.classes.index}
        if keys:
            return keys
        words = words_of(text)
        for n in range(min(self._longest, len(words)), 0, -1):
            found: set[int] = set()
            for i in range(len(words) - n + 1):
                if not any(words[max(0, i - len(no)) : i] == no for no in _NOT):
                    found |= self._at(words[i : i + n])
            if found:
                return found
        return set()

    def _at(self, words: Words) -> set[int]:
        """The classes with this name, or with one that differs in its last word's plural only."""
        # As it stands first: sunglass and sunglasses are two classes.
        if not words or words in self._strict:
            return self._strict.get(words, set())
        for last in _singulars(words[-1]):
            found = self._loose.get((*words[:-1], last))
            if found:
                return found
        return set()


def _told(found: set[int]) -> tuple[Kind, int]:
    if len(found) == 1:
        return "matched", next(iter(found))
    return ("ambiguous" if found else "unmatched"), UNKNOWN


def to_predictions(answers: Answers, classes: ClassList, synonyms: Mapping[str, Sequence[str]] = {}) -> Guesses:
    """Match every answer to a class; `synonyms` are further names by wnid, as WordNet's lemmas are."""
    matcher = Matcher(classes, synonyms)
    top_index = np.full((len(answers), N_GUESSES), UNKNOWN, dtype=np.int32)
    kinds = np.full((len(answers), N_GUESSES), UNKNOWN, dtype=np.int8)
    known: dict[str, tuple[Kind, int]] = {}
    for row, texts in enumerate(answers.texts):
        for place, text in enumerate(texts):
            if text not in known:
                known[text] = matcher.match(text)
            kind, index = known[text]
            kinds[row, place] = KINDS.index(kind)
            if index not in top_index[row]:
                top_index[row, place] = index
    return Guesses(answers.ids, top_index, kinds, classes)


def score_answers(guesses: Guesses, truth: Truth, where: str | Path = "answers") -> Scores:
    """Score by PROTOCOL, joined on image_id and wnid; `extra["answers"]` has the counts of first answers.

    Every image of the truth needs a line, if only with null. Raises BadInput on missing and unknown ids, on classes
    that the guesses' list lacks, and where no image has a valid label.
    """
    rows = rows_by_id(truth.ids, guesses.ids, where)
    positions = positions_of_classes(truth.classes, guesses.classes, where)
    kept = np.flatnonzero(truth.n_labels > 0)
    n = len(kept)
    if n == 0:
        raise BadInput(f"none of {len(truth)} images has a valid label", where=f"truth {truth.name!r}")
    image = np.repeat(np.arange(n), truth.n_labels[kept])  # the image of each allowed label
    hit = guesses.top_index[rows[kept][image]] == positions[truth.labels][:, None]
    columns = [np.bincount(truth.labels, minlength=len(truth.classes))]
    right = []
    for k in (1, N_GUESSES):
        correct = np.zeros(n, dtype=bool)
        np.logical_or.at(correct, image, hit[:, :k].any(axis=1))
        right.append(int(correct.sum()))
        columns.append(np.bincount(truth.labels[correct[image]], minlength=len(truth.classes)))
    counts = np.stack(columns, axis=1).tolist()
    ids = tuple(truth.ids[row] for row in kept)
    scored = Guesses(ids, guesses.top_index[rows[kept]], guesses.kind[rows[kept]], guesses.classes)
    return Scores(
        n=n,
        protocol=PROTOCOL,
        truth=truth.name,
        classes=guesses.classes.digest,
        view=None,
        top1_correct=right[0],
        top5_correct=right[1],
        top1_error=(n - right[0]) / n,
        top5_error=(n - right[1]) / n,
        top1_error_interval=wilson(n - right[0], n),
        top5_error_interval=wilson(n - right[1], n),
        dropped=len(truth) - n,
        per_class={wnid: (c[0], c[1], c[2]) for wnid, c in zip(truth.classes.wnids, counts, strict=True) if c[0]},
        extra={"answers": scored.counts},
    )
