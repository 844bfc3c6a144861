from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput
from topfive.scoring import selective
from topfive.scoring.selective import selective_statistic


def test_by_hand() -> None:
    found = selective(np.array([0.4, 0.1, 0.3, 0.2]), np.array([False, True, True, False]))
    # From the surest: right, wrong, right, wrong.
    assert found.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert found.least_aurc == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)
    assert (found.at(0.25), found.at(0.5), found.at(1.0)) == (0, 0.5, 0.5)
    assert found.at(0.001) == 0  # at least one image is answered
    said = found.to_json()
    assert said["protocol"] == "selective-risk/1"
    assert said["excess_aurc"] == pytest.approx(1 / 8)
    assert said["coverage_at"] == {"0.01": 0.25, "0.05": 0.25, "0.1": 0.25}
    assert said["risk"][0] == [0.05, 0.0] and said["risk"][-1] == [1.0, 0.5] and len(said["risk"]) == 20


def test_images_as_sure_as_each_other_count_as_in_random_order() -> None:
    doubt = np.array([0.1, 0.1, 0.5])
    for correct in ([True, False, True], [False, True, True]):
        assert selective(doubt, np.array(correct)).risk == pytest.approx([0.5, 0.5, 1 / 3])


def test_all_right_and_all_wrong() -> None:
    right = selective(np.arange(3.0), np.ones(3, bool))
    assert (right.aurc, right.least_aurc) == (0, 0)
    assert right.to_json()["coverage_at"]["0.01"] == 1.0
    wrong = selective(np.arange(3.0), np.zeros(3, bool))
    assert (wrong.aurc, wrong.least_aurc) == (1, 1)
    assert wrong.to_json()["coverage_at"] == {"0.01": 0.0, "0.05": 0.0, "0.1": 0.0}


def test_no_images_and_no_pairs() -> None:
    for doubt, correct in ((np.zeros(0), np.zeros(0, bool)), (np.zeros(2), np.zeros(3, bool))):
        with pytest.raises(BadInput, match=r"^selective risk: \d confidences and \d results are no pairs$"):
            selective(doubt, correct)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.booleans())
def test_equals_the_slow_form(seed: int, n: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    doubt = rng.integers(0, 4, n).astype(float) if ties else rng.permutation(n).astype(float)
    correct = rng.random(n) < 0.6
    found = selective(doubt, correct)
    if not ties:
        order = np.argsort(doubt)
        assert found.risk == pytest.approx([(~correct[order[: i + 1]]).mean() for i in range(n)])
    assert found.risk[-1] == pytest.approx((~correct).mean())
    assert found.least_aurc <= found.aurc + 1e-9 <= 1 + 1e-9
    shuffled = rng.permutation(n)
    assert selective(doubt[shuffled], correct[shuffled]).aurc == pytest.approx(found.aurc)
    # The best order puts every wrong image last.
    assert selective((~correct).astype(float), correct).aurc == pytest.approx(
        np.mean([max(0, i - correct.sum()) / i for i in range(1, n + 1)])
    )
    ideal = selective(np.where(correct, 0.0, 1.0) + rng.random(n) / 2, correct)
    assert ideal.aurc == pytest.approx(found.least_aurc)


def test_resamples_by_hand() -> None:
    found = selective(np.array([0.3, 0.1, 0.2]), np.array([False, True, False]))
    # In order of doubt: right, wrong, wrong.
    assert selective_statistic(found)(np.ones((1, 3), np.float32))[0] == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)
    # Image 0 (the least sure) drawn twice, image 1 once, image 2 never: risks 0, then 2/3 for both.
    assert selective_statistic(found)(np.array([[2, 1, 0]], np.float32))[0] == pytest.approx((0 + 2 * 2 / 3) / 3)
    assert selective_statistic(found)(np.array([[0, 1, 2]], np.float32))[0] == pytest.approx((0 + 2 * 2 / 3) / 3)
    # The surest is not drawn: nothing is answered before the second.
    assert selective_statistic(found)(np.array([[3, 0, 0]], np.float32))[0] == pytest.approx(1.0)


def test_a_bound_that_is_met_exactly_is_met() -> None:
    found = selective(np.arange(20.0), np.arange(20) < 19)
    said = found.to_json()
    assert said == {
        "protocol": "selective-risk/1",
        "aurc": pytest.approx(0.05 / 20),
        "excess_aurc": pytest.approx(0.0),
        "risk": [[i / 20, pytest.approx(0.0 if i < 20 else 0.05)] for i in range(1, 21)],
        "coverage_at": {"0.01": 0.95, "0.05": 1.0, "0.1": 1.0},
    }


def test_images_as_sure_as_each_other_stay_in_their_order() -> None:
    found = selective(np.zeros(40), np.arange(40) < 20)
    assert found.order.tolist() == list(range(40))
    surest_is_wrong = selective(np.array([0.1, 0.2]), np.array([False, True]))
    assert selective_statistic(surest_is_wrong)(np.ones((1, 2), np.float32))[0] == pytest.approx((1 + 1 / 2) / 2)
