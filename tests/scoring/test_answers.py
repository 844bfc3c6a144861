"""Free-text answers: real phrasings by hand, hostile lines, and scores against a slow oracle."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import UNKNOWN, BadInput, ClassList, Predictions, Scores, Truth
from topfive.scoring import score, wilson
from topfive.scoring.answers import (
    KINDS,
    MAX_ANSWER,
    N_GUESSES,
    PROTOCOL,
    Answers,
    Guesses,
    Matcher,
    _singulars,
    read_answers,
    score_answers,
    to_predictions,
    words_of,
)
from topfive.taxonomy import ilsvrc_classes, wordnet

ILSVRC = ilsvrc_classes()
LEMMAS = {wnid: [lemma.replace("_", " ") for lemma in wordnet().lemmas(wnid)] for wnid in ILSVRC.wnids}
MATCHER = Matcher(ILSVRC, LEMMAS)

SMALL = ClassList(("n1", "n2", "n3", "n4"), ("tabby, tabby cat", "crane", "crane", "sports car"))


# Phrasings. The number is the class_index, or the word what becomes of the answer.


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # keys and numbers
        ("281", 281),
        (" 281.\n", 281),
        ("0", 0),
        ("Class 281", 281),
        ("class index: 281", 281),
        ("n02123045", 281),
        ("N02123045", 281),
        ("The WordNet id is n02123045 (tabby).", 281),
        ("281: tabby, tabby cat", 281),
        ("282: tabby, tabby cat", "ambiguous"),
        ("1000", "unmatched"),
        ("-1", "unmatched"),
        ("5%", "unmatched"),
        ("(281)", 281),
        ("#281", 281),
        # a class is named before the modesty
        ("A tabby. Sorry if that is wrong.", 281),
        ("I cannot see its tail: a tabby", 281),
        ("A tabby. There is nothing else in the picture.", 281),
        ("99999999999999999999", "unmatched"),
        # names as they stand, but for case, punctuation, articles and plural
        ("tabby", 281),
        ("Tabby cat.", 281),
        ("a tabby", 281),
        ("The Tabby Cats", 281),
        ("tabby_cat", 281),
        ("**Tabby cat**", 281),
        ('"tiger cat"', 282),
        ("Egyptian cats", 285),
        ("GREAT WHITE SHARK", 2),
        ("Carcharodon carcharias", 2),
        ("jack-o-lantern", 607),
        ("jack-o’-lanterns", 607),
        ("Chihuahuas", 151),
        ("French horn", 566),
        ("sunglass", 836),
        ("Sunglasses", 837),
        ("a pair of running shoes", 770),
        ("shih tzu", 155),
        ("strawberries", 949),
        ("matchstick / match", 644),
        # sentences
        ("The answer is a golden retriever.", 207),
        ("The image shows a golden retriever puppy running on grass.", 207),
        ("Answer: Egyptian cat", 285),
        ("Final answer: **tabby cat**", 281),
        ("My best guess is that it is a kind of pug.", 254),
        ("It's a tabby, which is also known as a tabby cat", 281),
        ('{"label": "tiger cat", "confidence": 0.9}', 282),
        ("It has a tabby coat, but the eyes are those of another. So the answer is: Egyptian cat.", 285),
        ("This is a great white shark (Carcharodon carcharias), also called white shark.", 2),
        ("1. tabby", 281),
        ("It is not a tabby but an Egyptian cat.", 285),
        ("An Egyptian cat rather than a tabby", 285),
        ("This isn't a sports car. It is a minivan.", 656),
        ("A race car", 751),
        # hedged, which is an answer
        ("I'm not sure, but it looks like a minivan.", 656),
        ("I cannot be certain. However, it is most likely a Siamese cat", 284),
        # several
        ("crane", "ambiguous"),
        ("cardigan", "ambiguous"),
        ("It is either a tabby or a minivan", "ambiguous"),
        ("crane (machine)", "ambiguous"),
        ("Cardigan Welsh corgi", 264),
        # none
        ("", "abstained"),
        ("   \n", "abstained"),
        ("...", "abstained"),
        ("Unknown", "abstained"),
        ("N/A", "abstained"),
        ("None of the above", "abstained"),
        ("I'm sorry, but I can't help with identifying this.", "unmatched"),
        ("Sorry, I cannot identify the tabby.", "abstained"),
        ("I am unable to determine whether this is a tabby.", "abstained"),
        ("As an AI, I do not see images.", "abstained"),
        ("The image is too blurry.", "abstained"),
        ("a quokka", "unmatched"),
        ("The answer is: a quokka's cousin", "unmatched"),
        ("It is not a tabby.", "unmatched"),
        ("Not a tabby.", "unmatched"),
        ("It may be anything but I cannot tell", "abstained"),
        ("Tabby. Sorry", 281),
        # a key is stronger than a name, and one that is none says nothing
        ("n02123045 beside a sports car", 281),
        ("n99999999 or else a tabby cat", 281),
        ("猫", "unmatched"),
    ],
)
def test_what_models_say(answer: str, expected: int | str) -> None:
    kind, index = MATCHER.match(answer)
    assert (index if kind == "matched" else kind) == expected
    assert (kind == "matched") == (index != UNKNOWN)


def test_names_of_one_word_more_win_and_equals_are_ambiguous() -> None:
    matcher = Matcher(SMALL)
    assert matcher.match("a tabby on a sports car") == ("matched", 3)
    assert matcher.match("a tabby cat on a sports car") == ("ambiguous", UNKNOWN)
    assert matcher.match("a crane and a sports car") == ("matched", 3)


def test_a_name_is_stronger_than_a_number() -> None:
    digits = ClassList(("three", "one", "two"), ("3", "1", "2"))
    assert [Matcher(digits).match(text)[1] for text in ("3", "1", "2", "0")] == [0, 1, 2, 0]


def test_every_lemma_is_matched_or_shared() -> None:
    owners: dict[str, set[int]] = {}
    for k, wnid in enumerate(ILSVRC.wnids):
        for lemma in LEMMAS[wnid]:
            owners.setdefault(lemma.casefold(), set()).add(k)
    for lemma, classes in owners.items():
        kind, index = MATCHER.match(lemma)
        assert (kind, index) == (("matched", *classes) if len(classes) == 1 else ("ambiguous", UNKNOWN)), lemma


@settings(max_examples=150, deadline=None)
@given(
    wnid=st.sampled_from([w for w in ILSVRC.wnids if ILSVRC.names.count(ILSVRC.names[ILSVRC.index[w]]) == 1]),
    frame=st.sampled_from(
        ["{}", "{}.", "  {} ", "a {}", "The {}", "**{}**", "'{}'", "Answer: {}", "The answer is {}."]
    ),
    change=st.sampled_from([str, str.upper, str.lower, str.title, lambda s: s.replace(" ", "_")]),
)
def test_framing_and_case_change_nothing(wnid: str, frame: str, change) -> None:  # type: ignore[no-untyped-def]
    k = ILSVRC.index[wnid]
    kind, index = MATCHER.match(frame.format(change(ILSVRC.names[k])))
    bare = MATCHER.match(ILSVRC.names[k])
    assert (kind, index) == bare


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | st.lists(st.sampled_from(["not", "a", "tabby", "crane", "sports", "car", "is", "answer:",
       "cannot", "but", "0", "n1", ".", "'s"]), max_size=12).map(" ".join))  # fmt: skip
def test_any_text_is_matched_to_one_class_or_none(text: str) -> None:
    kind, index = Matcher(SMALL).match(text)
    assert kind in KINDS
    assert (index in range(4)) == (kind == "matched")


def test_long_answers_take_no_long_time() -> None:
    began = time.process_time()
    for text in ("tabby " * 3000, "answer is " * 2000, "not " * 5000, "1" * MAX_ANSWER, "{" * MAX_ANSWER,
                 "class " * 3000, " " * MAX_ANSWER, "class: " * 2500 + "x"):  # fmt: skip
        MATCHER.match(text)
    assert time.process_time() - began < 10


def test_synonyms_of_no_class_are_refused() -> None:
    with pytest.raises(BadInput, match=r"^synonyms: 'n9' is none of the 4 classes$"):
        Matcher(SMALL, {"n9": ["x"], "n8": ["y"]})


def test_words_are_folded() -> None:
    assert words_of("The Éclair's  jack-o'-lantern!") == ("eclairs", "jack", "o", "lantern")
    assert words_of("an apple, a pear and some ice") == ("apple", "pear", "and", "ice")
    assert words_of("ﬁg & Ａ") == ("fig",)


# Lines


def written(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "answers.jsonl"
    parts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(parts) + b"\n")
    return path


def test_both_forms_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"image_id": "a", "answer": "tabby", "model": "m"},
        {"image_id": "b", "answers": ["crane", "sports car"]},
        {"image_id": "c", "answer": None},
        {"image_id": "d", "answers": []},
        b'{"image_id": "e", "answer": "\\u00e9"}\r',
    )
    read = read_answers(path)
    assert read.ids == ("a", "b", "c", "d", "e")
    assert read.texts == (("tabby",), ("crane", "sports car"), ("",), (), ("é",))
    assert len(read) == 5


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "is blank"),
        (b"  \t", "is blank"),
        (b"tabby", "is no JSON object"),
        (b"[1, 2]", "has no image_id that is text"),
        (b"null", "has no image_id that is text"),
        (b'{"answer": "tabby"}', "has no image_id that is text"),
        (b'{"image_id": 7, "answer": "tabby"}', "has no image_id that is text"),
        (b'{"image_id": "", "answer": "tabby"}', "has no image_id that is text"),
        (b'{"image_id": "x"}', "needs one of 'answer' and 'answers'"),
        (b'{"image_id": "x", "answer": "a", "answers": ["b"]}', "needs one of 'answer' and 'answers'"),
        (b'{"image_id": "x", "answer": 3}', "has answers that are no text"),
        (b'{"image_id": "x", "answer": ["a"]}', "has answers that are no text"),
        (b'{"image_id": "x", "answers": "a"}', "has answers that are no text"),
        (b'{"image_id": "x", "answers": [["a"]]}', "has answers that are no text"),
        (b'{"image_id": "x", "answers": ["1","2","3","4","5","6"]}', "has 6 answers, at most 5 count"),
        (b'{"image_id": "x", "answer": "a", "answer": "b"}', "a key stands twice"),
        (b'{"image_id": "x", "answer": "a"} {}', "is no JSON object"),
        (b'{"image_id": "x", "answer": "a', "is no JSON object"),
        (b'{"image_id": "x", "answer": "\xff"}', "is no JSON object"),
        (b'{"image_id": "x\x00", "answer": "a"}', "is no JSON object"),
        (b'\xef\xbb\xbf{"image_id": "x", "answer": "a"}', "is no JSON object"),
        (b'{"image_id": "x", "answer": ' + b"9" * 5000 + b"}", "is no JSON object"),
        (b"[" * 100_000, "is no JSON object"),
        (b'{"image_id": "\\ud800", "answer": "a"}', "half a character"),
        (b'{"image_id": "first", "answer": "b"}', "'first' stands twice (first in row 1)"),
        (b'{"image_id": "x", "answer": "' + b"y" * (MAX_ANSWER + 1) + b'"}', "over 20000 characters"),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, line: bytes, reason: str) -> None:
    path = written(tmp_path, {"image_id": "first", "answer": "a"}, line, {"image_id": "last", "answer": "a"})
    with pytest.raises(BadInput) as error:
        read_answers(path)
    assert reason in str(error.value)
    assert "answers.jsonl, row 2: " in str(error.value)


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_answers(tmp_path / "nowhere.jsonl")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(BadInput, match="is empty"):
        read_answers(tmp_path / "empty.jsonl")
    monkeypatch.setattr("topfive.scoring.answers.MAX_BYTES", 3)
    with pytest.raises(BadInput, match="is over 0 MiB"):
        read_answers(written(tmp_path, {"image_id": "a", "answer": "b"}))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80) | st.recursive(st.none() | st.text(max_size=4) | st.integers(), lambda inner: st.lists(
       inner, max_size=6) | st.dictionaries(st.sampled_from(["image_id", "answer", "answers"]), inner),
       max_leaves=6).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "answers.jsonl"
    path.write_bytes(data)
    try:
        read = read_answers(path)
    except BadInput as error:
        assert "answers.jsonl" in str(error)
        return
    assert all(len(texts) <= N_GUESSES for texts in read.texts)
    to_predictions(read, SMALL)


# Scores


def test_counts_and_scores_by_hand() -> None:
    answers = Answers(
        ("a", "b", "c", "d", "e", "f"),
        (
            ("tabby",),
            ("crane", "sports car"),
            ("I don't know",),
            (),
            ("a wombat", "tabby", "the tabby cat", "n2"),
            ("sports car", "n3"),
        ),
    )
    guesses = to_predictions(answers, SMALL)
    assert guesses.top_index.tolist() == [
        [0, -1, -1, -1, -1],
        [-1, 3, -1, -1, -1],
        [-1, -1, -1, -1, -1],
        [-1, -1, -1, -1, -1],
        [-1, 0, -1, 1, -1],
        [3, 2, -1, -1, -1],
    ]
    assert guesses.kind[4].tolist() == [KINDS.index(k) for k in ("unmatched", "matched", "matched", "matched")] + [-1]
    assert guesses.counts == {"matched": 2, "ambiguous": 1, "abstained": 2, "unmatched": 1}
    truth = Truth.from_sets(("f", "e", "d", "c", "b", "a"), [[2], [1], [0], [], [3, 0], [0]], SMALL)
    scores = score_answers(guesses, truth)
    assert (scores.n, scores.dropped, scores.top1_correct, scores.top5_correct) == (5, 1, 1, 4)
    assert (scores.protocol, scores.view, scores.top1_error) == (PROTOCOL, None, 4 / 5)
    assert scores.per_class == {"n1": (3, 1, 2), "n2": (1, 0, 1), "n3": (1, 0, 1), "n4": (1, 0, 1)}
    assert scores.extra == {"answers": {"matched": 2, "ambiguous": 1, "abstained": 1, "unmatched": 1}}


def test_scores_survive_their_file(tmp_path: Path) -> None:
    truth = Truth.from_sets(("a",), [[0]], SMALL)
    scores = score_answers(to_predictions(Answers(("a",), (("tabby",),)), SMALL), truth)
    scores.write(tmp_path / "scores.json")
    assert Scores.read(tmp_path / "scores.json") == scores


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_full_answers_score_as_predictions_do(seed: int) -> None:
    """The slow oracle is `score` itself, where every image has five guesses of a class list of eight."""
    rng = np.random.default_rng(seed)
    classes = ClassList(tuple(f"n{i:08d}" for i in range(8)), tuple(f"thing{i}x" for i in range(8)))
    n = int(rng.integers(1, 12))
    ids = tuple(f"image {i}" for i in range(n))
    top = np.stack([rng.permutation(8)[:5] for _ in range(n)]).astype(np.int32)
    truth = Truth.from_sets(ids[::-1], [rng.permutation(8)[: rng.integers(1, 4)].tolist() for _ in ids], classes)
    texts = tuple(tuple(f"It is a {classes.names[k]}." for k in row) for row in top)
    found = score_answers(to_predictions(Answers(ids, texts), classes), truth)
    wanted = score(Predictions(ids, top, np.zeros(top.shape, np.float32), classes), truth)
    for name in ("n", "top1_correct", "top5_correct", "top1_error_interval", "per_class", "dropped", "classes"):
        assert getattr(found, name) == getattr(wanted, name)
    # An answer taken away never helps.
    shorter = tuple(row[: rng.integers(0, 6)] for row in texts)
    less = score_answers(to_predictions(Answers(ids, shorter), classes), truth)
    assert less.top1_correct <= found.top1_correct
    assert less.top5_correct <= found.top5_correct


def test_ids_join_and_strangers_are_refused() -> None:
    truth = Truth.from_sets(("a", "b"), [[0], [1]], SMALL)
    with pytest.raises(BadInput, match="1 of 2 images are missing, the first is 'b'"):
        score_answers(to_predictions(Answers(("a",), (("tabby",),)), SMALL), truth)
    with pytest.raises(BadInput, match="1 ids are not in the truth, the first is 'z'"):
        score_answers(to_predictions(Answers(("z", "b", "a"), ((), (), ())), SMALL), truth)
    with pytest.raises(BadInput, match="has a valid label"):
        score_answers(to_predictions(Answers(("a",), ((),)), SMALL), Truth.from_sets(("a",), [[]], SMALL))
    other = ClassList(("n9",), ("x",))
    with pytest.raises(BadInput, match="lack 1 of the truth's 1 classes, the first is n9"):
        score_answers(to_predictions(Answers(("a",), ((),)), SMALL), Truth.from_sets(("a",), [[0]], other))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("shoes", ("shoes", "shoe", "sho")),
        ("berries", ("berries", "berrie", "berri", "berry")),
        ("cats", ("cats", "cat")),
        ("esters", ("esters", "ester")),
        ("ssls", ("ssls", "ssl")),
        ("glass", ("glass",)),
        ("gas", ("gas",)),
        ("bird", ("bird",)),
        ("ties", ("ties", "tie", "ti", "ty")),
    ],
)
def test_what_a_word_may_be_the_plural_of(word: str, expected: tuple[str, ...]) -> None:
    assert _singulars(word) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "These aren't sports cars, it is a tabby cat",
        "That wasn't a sports car. A tabby cat.",
        "unlike a sports car, a tabby cat",
        "a tabby cat, nor a sports car",
        "a tabby cat rather than a sports car",
        "a tabby cat instead of a sports car",
        "Answer: sports car? No. Final answer: tabby cat!",
        "Answer: a tabby cat. Final answer:",
        "answer:0",
        "answer: 0",
        "sorry:tabby",
        "4: tabby",
    ],
)
def test_a_tabby_and_no_sports_car(answer: str) -> None:
    assert Matcher(SMALL).match(answer) == ("matched", 0)


def test_a_number_and_a_name_over_several_lines_must_agree() -> None:
    assert Matcher(SMALL).match("3: tabby\nor so") == ("ambiguous", UNKNOWN)
    assert Matcher(SMALL).match("0: tabby\nor so") == ("matched", 0)


def test_names_of_any_kind_are_matched() -> None:
    odd = ClassList(("n1", "n2", "n3", "n4"), ("A", "sports_car", "sorry cat", "bus"))
    found = [Matcher(odd).match(text) for text in ("a", "sports car", "Sorry cats", "buses")]
    assert found == [("matched", k) for k in range(4)]
    assert Matcher(ClassList(("a",), ("the",))).match("a tabby") == ("unmatched", UNKNOWN)
    with pytest.raises(BadInput, match=r"^classes, row 1: class n1 stands twice"):
        Matcher(ClassList(("n1", "n1"), ("a", "b")))


def test_synonyms_are_further_names_and_guesses_are_small_numbers() -> None:
    found = to_predictions(Answers(("a", "b"), (("puss",), ())), SMALL, {"n1": ["puss"]})
    assert (len(found), found.top_index[0, 0], found.kind[0, 0]) == (2, 0, KINDS.index("matched"))
    assert (found.top_index.dtype, found.kind.dtype) == (np.int32, np.int8)


def test_every_figure_of_answers_by_hand() -> None:
    top = np.array([[0, 1, -1, -1, -1], [1, 0, -1, -1, -1], [1, 0, -1, -1, -1], [1, -1, -1, -1, -1]], np.int32)
    guesses = Guesses(("a", "b", "c", "d"), top, np.where(top < 0, -1, 0).astype(np.int8), SMALL)
    truth = Truth.single(("a", "b", "c", "d"), np.zeros(4, np.int32), SMALL)
    found = score_answers(guesses, truth)
    assert (found.protocol, found.top1_error, found.top5_error) == ("free-text-top5/1", 0.75, 0.25)
    assert (found.top1_error_interval, found.top5_error_interval) == (wilson(3, 4), wilson(1, 4))
    with pytest.raises(BadInput, match=r"^truth 'real': none of 4 images has a valid label$"):
        score_answers(guesses, Truth.from_sets(truth.ids, [[]] * 4, SMALL, "real"))
    with pytest.raises(BadInput, match=r"^answers: 1 of 5 images are missing"):
        score_answers(guesses, Truth.single(("a", "b", "c", "d", "e"), np.zeros(5, np.int32), SMALL))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b" ", 'is blank. Write {"image_id": ..., "answer": ...}'),
        (b'{"image_id": "x", "answer": 3}', 'has answers that are no text. Quote numbers: "3"'),
        (b'{"image_id": "x\\ud800", "answer": "a"}', "has an image_id with half a character"),
        (b'{"image_id": "\\udfff", "answer": "a"}', "has an image_id with half a character"),
    ],
)
def test_refusals_say_what_to_do(tmp_path: Path, line: bytes, message: str) -> None:
    path = written(tmp_path, line)
    with pytest.raises(BadInput) as refused:
        read_answers(path)
    assert str(refused.value) == f"{path}, row 1: {message}"


def test_the_ends_of_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"image_id": "\ud7ff\ue000", "answers": list("abcde")}, {"image_id": "x", "answer": "y" * MAX_ANSWER}]
    path = written(tmp_path, *lines)
    assert [len(texts) for texts in read_answers(path).texts] == [5, 1]
    monkeypatch.setattr("topfive.scoring.answers.MAX_BYTES", path.stat().st_size)
    assert len(read_answers(path)) == 2, "exactly as large as is allowed"
    monkeypatch.undo()
    with (tmp_path / "large.jsonl").open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(BadInput, match=r"large\.jsonl: is over 256 MiB\. Write one short line an image$"):
        read_answers(tmp_path / "large.jsonl")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(BadInput, match=r"empty\.jsonl: is empty\. Write one JSON object a line$"):
        read_answers(tmp_path / "empty.jsonl")
    with pytest.raises(BadInput, match=r"nowhere\.jsonl: "):
        read_answers(tmp_path / "nowhere.jsonl")
