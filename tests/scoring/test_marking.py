from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.made import class_list, from_sets, from_top, random_case
from topfive.records import BadInput, ClassList, Predictions, Truth
from topfive.scoring import mark
from topfive.scoring.marking import positions_of_classes, rows_by_id


def test_by_hand() -> None:
    made = from_top([[2, 0, 1], [0, 1, 2], [1, 2, 0], [3, 1, 0]], 5, ["d", "c", "b", "a"])
    truth = Truth.from_sets(["a", "b", "c", "d"], [[0, 3], [4], [], [1]], class_list(5))
    found = mark(made, truth)
    assert (found.ids, found.dropped, found.n_guesses, len(found)) == (("a", "b", "d"), 1, 3, 3)
    assert found.rank.tolist() == [0, 3, 2], "class 4 is none of the three guesses"
    assert found.guess.tolist() == [3, 1, 2]
    assert found.score.tolist() == [3.0, 3.0, 3.0]
    assert found.rows.tolist() == [3, 2, 0]
    assert (found.offsets.tolist(), found.labels.tolist()) == ([0, 2, 3, 4], [0, 3, 4, 1])
    assert found.place.tolist() == [2, 0, 3, 2]
    assert (found.n_labels.tolist(), found.image.tolist()) == ([2, 1, 1], [0, 0, 1, 2])
    assert [found.correct(k).tolist() for k in (1, 2, 3)] == [
        [True, False, False],
        [True, False, False],
        [True, False, True],
    ]
    assert found.correct(5).tolist() == found.correct(3).tolist(), "what stands after the guesses made is not correct"
    assert found.rank.dtype == found.place.dtype == np.int32


def test_among_some_classes_by_hand() -> None:
    logits = np.array([[9, 1, 5, 5], [0, 8, 2, 3]], dtype=np.float32)
    made = Predictions.from_logits(("x", "y"), logits, class_list(4))
    pair = ClassList(("n00000003", "n00000002"), ("three", "two"))
    truth = Truth.from_sets(["y", "x"], [[1], [0, 1]], pair)
    found = mark(made, truth, restrict=True)
    # In x the classes 2 and 3 are level: the model's order puts 2 first, whatever the truth's.
    assert (found.guess.tolist(), found.score.tolist(), found.rank.tolist()) == ([3, 2], [3.0, 5.0], [1, 0])
    assert (found.labels.tolist(), found.place.tolist(), found.n_guesses) == ([2, 3, 2], [1, 1, 0], 2)


def slow_places(made: Predictions, truth: Truth, kept: list[int], n_guesses: int) -> list[list[int]]:
    """For each image with labels, how many of the classes `kept` stand before each of them, guess by guess."""
    places = []
    for row, image_id in enumerate(truth.ids):
        line = made.logits[made.ids.index(image_id)].tolist()  # type: ignore[index]
        order = sorted(kept, key=lambda c: (-line[c], c))
        wanted = [made.classes.index[truth.classes.wnids[label]] for label in truth.of(row).tolist()]
        if wanted:
            places.append([min(order.index(c), n_guesses) for c in wanted])
    return places


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(2, 9), st.booleans())
def test_equals_going_guess_by_guess(seed: int, n: int, k: int, restrict: bool) -> None:
    made, truth = random_case(seed, n, k, 3 if k > 2 else 2, ties=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    made = Predictions.from_logits(tuple(made.ids[i] for i in order), made.logits[order], made.classes)  # type: ignore[index]
    some = rng.permutation(k)[: rng.integers(1, k + 1)]  # the truth's classes: some of the model's in any order
    classes = ClassList(tuple(made.classes.wnids[c] for c in some), tuple("x" for _ in some))
    sets = [sorted({int(label) % len(some) for label in truth.of(row)}) for row in range(n)]
    sets[0] = sets[0] or [0]
    truth = Truth.from_sets(truth.ids, sets, classes)
    found = mark(made, truth, restrict=restrict)
    slow = slow_places(made, truth, some.tolist() if restrict else list(range(k)), len(some) if restrict else min(5, k))
    assert found.place.tolist() == [place for places in slow for place in places]
    assert found.rank.tolist() == [min(places) for places in slow]
    assert found.dropped == n - len(slow)


def test_an_image_without_labels_is_dropped_wherever_it_stands() -> None:
    made = from_top([[0, 1], [1, 0], [0, 1]], 2)
    for empty in range(3):
        found = mark(made, from_sets([[] if i == empty else [0] for i in range(3)], 2))
        assert found.ids == tuple(f"i{i}" for i in range(3) if i != empty)
        assert found.rank.tolist() == [[0, 1, 0][i] for i in range(3) if i != empty]


def test_ids_join_in_any_order() -> None:
    assert rows_by_id(("a", "b", "c"), ("c", "a", "b"), "p").tolist() == [1, 2, 0]
    assert rows_by_id(["a", "b"], ("a", "b"), "p").tolist() == [0, 1]
    assert rows_by_id(("a", "b"), ("b", "a"), "p").dtype == np.int64


def test_refusals_name_what_is_at_fault_and_what_to_do() -> None:
    cases = [
        (("a", "b", "c"), ("a", "b", "c", "c", "b"), "2 ids stand again, the first is 'b'"),
        (("a", "b", "c"), ("c", "x"), "2 of 3 images are missing, the first is 'a'. Predict every image of the split"),
        (
            ("a",),
            ("x", "a", "y"),
            "2 ids are not in the truth, the first is 'x'. Predict the images of this split only",
        ),
    ]
    for wanted, given_, message in cases:
        with pytest.raises(BadInput) as refused:
            rows_by_id(wanted, given_, "p.parquet")
        assert str(refused.value) == f"p.parquet: {message}"
    with pytest.raises(BadInput) as refused:
        positions_of_classes(class_list(4), class_list(2), "p.parquet")
    assert str(refused.value) == (
        "p.parquet: lack 2 of the truth's 4 classes, the first is n00000002. "
        "Score against a truth whose classes the model knows"
    )
    assert positions_of_classes(class_list(2), class_list(4), "p").tolist() == [0, 1]


def test_marking_names_the_side_at_fault() -> None:
    made, truth = from_top([[0, 1]], 2), from_sets([[0]], 2)
    with pytest.raises(BadInput, match=r"^truth 'real': none of 1 images has a valid label$"):
        mark(made, from_sets([[]], 2, "real"))
    with pytest.raises(
        BadInput, match=r"^predictions: have no logits, .*\. Predict with logits kept, or score without"
    ):
        mark(made, truth, restrict=True)
    with pytest.raises(BadInput, match=r"^p: have no logits"):
        mark(made, truth, restrict=True, where="p")
    with pytest.raises(BadInput, match=r"^p: 1 of 1 images are missing"):
        mark(from_top([[0, 1]], 2, ["x"]), truth, where="p")
    with pytest.raises(BadInput, match=r"^p: lack 1 of the truth's 3 classes"):
        mark(made, from_sets([[0]], 3), where="p")


def test_parts_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, truth = random_case(9, 40, 6, 3, ties=True)
    truth = truth.take(np.random.default_rng(0).permutation(40))
    whole = mark(made, truth, restrict=True)
    monkeypatch.setattr("topfive.scoring.marking._ROWS", 7)
    parts = mark(made, truth, restrict=True)
    for name in ("place", "rank", "guess", "score"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name)), name
