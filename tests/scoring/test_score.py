from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList, Predictions, Scores, Truth
from topfive.scoring import flat_errors, mark, rank_by, score, wilson


def class_list(n: int) -> ClassList:
    return ClassList(tuple(f"n{i:08d}" for i in range(n)), tuple(f"class {i}" for i in range(n)))


def guesses(ids: list[str], top: list[list[int]], n_classes: int) -> Predictions:
    index = np.array(top, dtype=np.int32)
    falling = np.tile(np.arange(index.shape[1], 0, -1, dtype=np.float32), (len(ids), 1))
    return Predictions(tuple(ids), index, falling, class_list(n_classes), view="v")


def slow_score(predictions: Predictions, truth: Truth, restrict: bool) -> tuple[int, int, int]:
    """n, top-1 correct, top-5 correct by the plainest means."""
    model, n, top1, top5 = predictions.classes.wnids, 0, 0, 0
    for row, image_id in enumerate(truth.ids):
        allowed = {truth.classes.wnids[label] for label in truth.of(row)}
        if not allowed:
            continue
        n += 1
        at = predictions.ids.index(image_id)
        if restrict:
            assert predictions.logits is not None
            line = predictions.logits[at].tolist()
            order = sorted(range(len(model)), key=lambda c: (-line[c], c))
            named = [model[c] for c in order if model[c] in truth.classes.index]
        else:
            named = [model[c] for c in predictions.top_index[at]]
        top1 += named[0] in allowed
        top5 += any(name in allowed for name in named[:5])
    return n, top1, top5


def test_by_hand() -> None:
    predictions = guesses(["a", "b", "c"], [[0, 1, 2, 3, 4], [5, 1, 2, 3, 4], [5, 1, 2, 3, 4]], 6)
    truth = Truth.single(["c", "a", "b"], np.array([0, 0, 4], dtype=np.int32), class_list(6))
    scores = score(predictions, truth)
    assert (scores.n, scores.top1_correct, scores.top5_correct) == (3, 1, 2)
    assert scores.top1_error == pytest.approx(2 / 3)
    assert scores.top5_error_interval == wilson(1, 3)
    assert scores.per_class == {"n00000000": (2, 1, 1), "n00000004": (1, 0, 1)}
    assert (scores.protocol, scores.truth, scores.view) == ("ilsvrc-top5/1", "original", "v")
    assert (scores.classes, scores.dropped, scores.restricted) == (class_list(6).digest, 0, False)


def test_several_labels_and_none() -> None:
    predictions = guesses(["a", "b", "c"], [[0, 1, 2, 3, 4]] * 3, 6)
    truth = Truth.from_sets(["a", "b", "c"], [[5, 2], [], [0, 1]], class_list(6), "real")
    scores = score(predictions, truth)
    assert (scores.n, scores.dropped, scores.top1_correct, scores.top5_correct) == (2, 1, 1, 2)
    # Under each allowed label: image a under 2 and 5, image c under 0 and 1.
    assert scores.per_class == {
        "n00000000": (1, 1, 1),
        "n00000001": (1, 1, 1),
        "n00000002": (1, 0, 1),
        "n00000005": (1, 0, 1),
    }
    assert mark(predictions, truth).rank.tolist() == [2, 0]


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 25), st.booleans())
def test_equals_the_slow_scorer(seed: int, n_classes: int, n: int, restrict: bool) -> None:
    rng = np.random.default_rng(seed)
    model = class_list(n_classes)
    ids = [f"i{i}" for i in range(n)]
    logits = rng.integers(0, 5, (n, n_classes)).astype(np.float32)
    predictions = Predictions.from_logits(tuple(rng.permutation(ids).tolist()), logits, model)
    some = rng.permutation(n_classes)[: rng.integers(1, n_classes + 1)]  # a subset in any order
    classes = ClassList(tuple(model.wnids[c] for c in some), tuple(model.names[c] for c in some))
    sets = [rng.permutation(len(some))[: rng.integers(0, 4)].tolist() for _ in ids]
    sets[0] = [0]
    truth = Truth.from_sets(ids, sets, classes)
    scores = score(predictions, truth, restrict=restrict)
    assert (scores.n, scores.top1_correct, scores.top5_correct) == slow_score(predictions, truth, restrict)
    assert scores.dropped == sum(not labels for labels in sets)
    assert sum(row[0] for row in scores.per_class.values()) == len(truth.labels)
    scores.check()


def test_a_subset_is_scored_against_all_classes_unless_restricted() -> None:
    logits = np.array([[9.0, 1.0, 0.0]], dtype=np.float32)
    predictions = Predictions.from_logits(("a",), logits, class_list(3))
    pair = ClassList(("n00000002", "n00000001"), ("two", "one"))
    truth = Truth.single(["a"], np.array([1], dtype=np.int32), pair)
    assert score(predictions, truth).top1_correct == 0
    limited = score(predictions, truth, restrict=True)
    assert (limited.top1_correct, limited.restricted, limited.classes) == (1, True, pair.digest)


def test_restricting_needs_logits() -> None:
    predictions = guesses(["a"], [[0, 1, 2]], 3)
    truth = Truth.single(["a"], np.array([0], dtype=np.int32), class_list(3))
    with pytest.raises(BadInput, match=r"no logits.*--restrict"):
        score(predictions, truth, restrict=True)


def test_ids_must_be_the_same() -> None:
    truth = Truth.single(["a", "b", "c"], np.zeros(3, dtype=np.int32), class_list(3))
    with pytest.raises(BadInput, match=r"p\.parquet: 2 of 3 images are missing, the first is 'b'"):
        score(guesses(["a"], [[0, 1, 2]], 3), truth, where="p.parquet")
    with pytest.raises(BadInput, match="1 ids are not in the truth, the first is 'x'"):
        score(guesses(["a", "x", "b", "c"], [[0, 1, 2]] * 4, 3), truth)
    with pytest.raises(BadInput, match="1 ids stand again, the first is 'b'"):
        score(guesses(["a", "b", "b", "c"], [[0, 1, 2]] * 4, 3), truth)


def test_classes_must_be_known_to_the_model() -> None:
    other = ClassList(("n00000001", "n00000777"), ("one", "lucky"))
    truth = Truth.single(["a"], np.zeros(1, dtype=np.int32), other)
    with pytest.raises(BadInput, match="lack 1 of the truth's 2 classes, the first is n00000777"):
        score(guesses(["a"], [[0, 1, 2]], 3), truth)


def test_fewer_guesses_count_as_short_lines_do_and_the_result_says_so() -> None:
    """What ILSVRC's kit makes of a text file with as many ids a line."""
    truth = Truth.single(["a", "b"], np.array([0, 3], dtype=np.int32), class_list(6))
    one = score(guesses(["a", "b"], [[0], [1]], 6), truth)
    kit = flat_errors(np.array([[1, 0, 0, 0, 0], [2, 0, 0, 0, 0]]), np.array([1, 4]))
    assert (one.top1_error, one.top5_error) == (kit[0], kit[4]) == (0.5, 0.5)
    rule = "1 guess an image is all there is: top-5 error counts that, as ILSVRC's kit does"
    assert one.to_json()["n_guesses"] == 1 and one.to_json()["top5_rule"] == rule
    three = score(guesses(["a", "b"], [[0, 1, 2], [1, 2, 3]], 6), truth)
    assert (three.top1_error, three.top5_error, three.extra["n_guesses"]) == (0.5, 0.0, 3)
    assert not score(guesses(["a", "b"], [[0, 1, 2], [1, 2, 0]], 3), truth_of_three()).extra, "all classes are guessed"


def truth_of_three() -> Truth:
    return Truth.single(["a", "b"], np.zeros(2, dtype=np.int32), class_list(3))


def test_a_truth_without_labels_is_refused() -> None:
    truth = Truth.from_sets(["a"], [[]], class_list(3))
    with pytest.raises(BadInput, match="none of 1 images has a valid label"):
        score(guesses(["a"], [[0, 1, 2]], 3), truth)


def test_scores_survive_the_file(tmp_path: Path) -> None:
    predictions = guesses(["a", "b"], [[0, 1, 2], [2, 1, 0]], 3)
    scores = score(predictions, Truth.single(["a", "b"], np.array([0, 1], dtype=np.int32), class_list(3)))
    scores.write(tmp_path / "scores.json")
    assert Scores.read(tmp_path / "scores.json") == scores


def test_editions_up_to_2017_rank_by_top5() -> None:
    assert [rank_by(year) for year in (2010, 2012, 2017, 2018, 2024)] == ["top5", "top5", "top5", "top1", "top1"]


def test_every_figure_by_hand() -> None:
    classes = ClassList(tuple(f"n{i:08d}" for i in range(7)), tuple("abcdefg"))
    # The label 6 stands first, at the fifth place, and nowhere (twice).
    top = np.array([[6, 0, 1, 2, 3], [0, 1, 2, 3, 6], [0, 1, 2, 3, 4], [0, 1, 2, 3, 5]], np.int32)
    falling = np.tile(np.arange(5, 0, -1, dtype=np.float32), (4, 1))
    ids = ("a", "b", "c", "d")
    found = score(Predictions(ids, top, falling, classes), Truth.single(ids, np.full(4, 6, np.int32), classes))
    assert (found.top1_correct, found.top5_correct, found.top1_error, found.top5_error) == (1, 2, 0.75, 0.5)
    assert (found.top1_error_interval, found.top5_error_interval) == (wilson(3, 4), wilson(2, 4))
    assert found.per_class == {"n00000006": (4, 1, 2)}
    four = Predictions(ids, top[:, :4], falling[:, :4], classes)
    short = score(four, Truth.single(ids, np.full(4, 6, np.int32), classes))
    assert (short.top1_correct, short.top5_correct, short.extra["n_guesses"]) == (1, 1, 4)


def test_the_sixth_guess_counts_for_nothing() -> None:
    predictions = guesses(["a", "b", "c"], [[0, 1, 2, 3, 4, 5]] * 3, 7)
    found = score(predictions, Truth.single(["a", "b", "c"], np.array([5, 4, 1], np.int32), class_list(7)))
    assert (found.top1_correct, found.top5_correct) == (0, 2)
    assert found.per_class == {"n00000001": (1, 0, 1), "n00000004": (1, 0, 1), "n00000005": (1, 0, 0)}
