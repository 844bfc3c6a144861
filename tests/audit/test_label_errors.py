from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.audit import FILTERS, findings, label_errors, read_arrays
from topfive.records import BadInput, ClassList

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
FIRST = np.array([0.9, 0.8, 0.9, 0.2, 0.2, 0.2, 0.2, 0.6])
PROBS = np.stack([FIRST, 1 - FIRST], axis=1)
"""Thresholds .7 and .7; row 3 is confidently of class 1, row 7 of neither."""


def cleanlab_rows(labels: np.ndarray, probs: np.ndarray, filter_by: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filters = pytest.importorskip("cleanlab.filter")
        return filters.find_label_issues(
            labels, probs, filter_by=filter_by, return_indices_ranked_by="self_confidence", n_jobs=1
        )


def noisy(rng: np.random.Generator, n: int, k: int, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some are wrong, and probabilities that mostly know."""
    truth = rng.integers(0, k, n)
    given_labels = np.where(rng.random(n) < 0.2, rng.integers(0, k, n), truth)
    scores = rng.random((n, k)) ** 4
    scores[np.arange(n), truth] += rng.random(n) * 2
    return given_labels, (scores / scores.sum(axis=1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("filter_by", FILTERS)
def test_a_case_by_hand(filter_by):
    found = label_errors(LABELS, PROBS, filter_by=filter_by)
    assert found.rows.tolist() == ([3, 7] if filter_by == "predicted_neq_given" else [3])
    assert found.given[0] == 0
    assert found.guessed[0] == 1
    assert found.score[0] == 0.2
    assert found.thresholds == pytest.approx([0.7, 0.7])
    assert found.joint.tolist() == [[3, 1], [0, 3]]
    assert found.to_json() == {
        "n": 8,
        "n_suspects": len(found.rows),
        "noise_rate": 1 / 8,
        "thresholds_clipped": 0,
        "filter": filter_by,
    }


@pytest.mark.parametrize("filter_by", FILTERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mnist_gives_cleanlab_s_suspects_index_for_index(shared, filter_by, dtype):
    folder = shared / "data" / "labels"
    labels, probs = read_arrays(folder / "mnist_test_set_original_labels.npy", folder / "mnist_test_set_pyx.npy")
    probs = probs if dtype is np.float64 else probs.astype(dtype)
    expected = cleanlab_rows(np.array(labels, dtype=int), np.array(probs), filter_by)
    found = label_errors(labels, probs, filter_by=filter_by, chunk=333, threads=2)
    assert found.rows.tolist() == expected.tolist()
    assert len(found.rows) == (87 if filter_by == "predicted_neq_given" else 15)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 60),
    st.integers(2, 9),
    st.sampled_from(["smooth", "ties", "sure"]),
    st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=60, deadline=None)
def test_random_data_give_cleanlab_s_suspects_index_for_index(seed, n, k, kind, dtype):
    rng = np.random.default_rng(seed)
    # Few labels of many classes: absent classes, classes of one row.
    labels = rng.integers(0, rng.integers(2, k + 1), n)
    labels[:2] = 0, 1  # cleanlab wants two classes
    if kind == "smooth":
        probs = rng.dirichlet(np.full(k, 0.5), n)
    else:
        counts = rng.multinomial(3, np.ones(k) / k, n)
        counts[np.arange(n), labels] += 3 * (kind == "sure")
        probs = counts / counts.sum(axis=1, keepdims=True)
    probs = probs.astype(dtype)
    for filter_by in FILTERS:
        expected = cleanlab_rows(labels, probs, filter_by)
        assert label_errors(labels, probs, filter_by=filter_by, chunk=7).rows.tolist() == expected.tolist()


@pytest.mark.parametrize("filter_by", FILTERS)
def test_many_classes_give_cleanlab_s_suspects_index_for_index(filter_by):
    labels, probs = noisy(np.random.default_rng(5), 6000, 120)
    expected = cleanlab_rows(labels, probs, filter_by)
    assert len(expected) > 100
    assert label_errors(labels, probs, filter_by=filter_by).rows.tolist() == expected.tolist()


def test_one_class_of_labels_is_no_error():
    # cleanlab refuses it; there is nothing to suspect confidently, but the argmax may differ.
    probs = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = label_errors(np.array([0, 0]), probs, filter_by="predicted_neq_given")
    assert found.rows.tolist() == [1]
    assert label_errors(np.array([0, 0]), probs).rows.tolist() == []


@pytest.mark.parametrize("filter_by", FILTERS)
def test_blocks_and_threads_change_nothing(filter_by):
    labels, probs = noisy(np.random.default_rng(2), 700, 13)
    one = label_errors(labels, probs, filter_by=filter_by)
    for chunk, threads in ((1, 1), (64, 3), (10_000, 2)):
        other = label_errors(labels, np.asfortranarray(probs), filter_by=filter_by, chunk=chunk, threads=threads)
        assert other.rows.tolist() == one.rows.tolist()
        assert other.joint.tolist() == one.joint.tolist()


def test_a_memory_map_is_not_loaded_whole(tmp_path):
    labels, probs = noisy(np.random.default_rng(3), 20_000, 250)  # 20 MB
    np.save(tmp_path / "y.npy", labels)
    np.save(tmp_path / "p.npy", probs)
    mapped = read_arrays(tmp_path / "y.npy", tmp_path / "p.npy")
    tracemalloc.start()
    found = label_errors(*mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.rows) > 1000
    assert peak < 8e6


def test_progress_is_reported():
    seen = []
    label_errors(LABELS, PROBS, chunk=3, progress=lambda what, done, total, unit="": seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)] * 2


def test_the_csv_has_the_columns_of_the_interface(tmp_path):
    label_errors(LABELS, PROBS.astype(np.float32), filter_by="predicted_neq_given").write_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "row,given,guessed,score\n3,0,1,0.2\n7,1,0,0.4\n"


def test_findings_name_image_and_both_classes():
    classes = ClassList(("n1", "n2"), ("tench", "goldfish"))
    errors = label_errors(LABELS, PROBS, filter_by="predicted_neq_given")
    found = findings("label-errors", errors, [f"img{i}" for i in range(8)], classes)
    for finding in found:
        finding.check()
    assert found[0].ids == ("img3",)
    assert found[0].severity == pytest.approx(0.8)
    assert found[0].summary == "labelled tench, looks like goldfish"
    assert found[0].evidence == {"given": "n1", "guessed": "n2", "score": 0.2}
    assert len(findings("label-errors", errors, [f"img{i}" for i in range(8)], classes, at_most=1)) == 1
    with pytest.raises(BadInput, match="7 ids and 2 classes for 8 rows and 2 columns"):
        findings("label-errors", errors, ["x"] * 7, classes)


def changed(row: int, value: list[float]) -> np.ndarray:
    probs = PROBS.copy()
    probs[row] = value
    return probs


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize(
    ("probs", "message"),
    [
        (changed(5, [np.nan, 1.0]), "probs, row 5: nan is no probability"),
        (changed(5, [np.inf, -np.inf]), "row 5: inf is no probability"),
        (changed(2, [-0.01, 1.01]), r"row 2: -0.01 is no probability. Give values from 0 to 1"),
        (changed(6, [0.6, 0.4015]), r"row 6: sums to 1.0015, not 1"),
        (changed(4, [2.0, 0.0]), r"row 4: 2.0 is no probability"),
    ],
)
def test_values_that_are_no_probabilities_are_refused(probs, message, chunk):
    with pytest.raises(BadInput, match=message):
        label_errors(LABELS, probs, chunk=chunk)


def test_the_first_bad_row_is_named_whatever_is_wrong():
    probs = changed(3, [0.3, 0.3])
    probs[5] = np.nan
    with pytest.raises(BadInput, match=r"row 3: sums to 0.6, not 1"):
        label_errors(LABELS, probs)


def test_rounding_of_float32_is_no_error():
    probs = np.array([[1.0 + 9e-7, -9e-7], [0.5, 0.4995]], dtype=np.float32)
    assert label_errors(np.array([0, 1]), probs).n == 2


@pytest.mark.parametrize(
    ("labels", "probs", "message"),
    [
        (LABELS[:5], PROBS, "labels: has 5 labels for 8 rows of probs"),
        (np.array([0, 0, 2, 0, 1, 1, 1, 1]), PROBS, "labels, row 2: label 2 is outside 0 to 1"),
        (np.array([0, -1, 0, 0, 1, 1, 1, 1]), PROBS, "labels, row 1: label -1 is outside"),
        (LABELS.astype(float), PROBS, r"labels: is float64\[8\]. Give whole numbers"),
        (LABELS[:, None], PROBS, r"labels: is int64\[8, 1\]"),
        (LABELS, PROBS[:, 0], r"probs: is float64\[8\]. Give float32 or float64"),
        (LABELS, PROBS.astype(np.float16), r"probs: is float16\[8, 2\]"),
        (LABELS, np.ones((8, 1)), "has 8 rows and 1 classes: nothing to judge"),
        (LABELS[:0], PROBS[:0], "has 0 rows"),
        (LABELS, np.broadcast_to(np.float32(1e-4), (8, 10_001)), "10001 classes are more than 10000"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(labels, probs, message):
    with pytest.raises(BadInput, match=message):
        label_errors(labels, probs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter_by": "median"}, "no filter is called 'median'. Filters: prune_by_noise_rate"),
        ({"chunk": 0}, "chunk: 0 is too few"),
        ({"threads": 0}, "threads: 0 is too few"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments, message):
    with pytest.raises(BadInput, match=message):
        label_errors(LABELS, PROBS, **arguments)


def test_a_refusal_names_the_file(tmp_path):
    np.save(tmp_path / "y.npy", LABELS)
    np.save(tmp_path / "p.npy", changed(5, [0.9, 0.9]))
    with pytest.raises(BadInput, match=r"p\.npy, row 5: sums to 1.8"):
        label_errors(*read_arrays(tmp_path / "y.npy", tmp_path / "p.npy"))


@pytest.mark.parametrize("content", [b"", b"row,given\n", None])
def test_what_is_no_array_file_is_refused(tmp_path, content):
    np.save(tmp_path / "y.npy", LABELS)
    path = tmp_path / "p.npy"
    if content is None:
        np.save(path, PROBS)
        path.write_bytes(path.read_bytes()[:-20])  # truncated
    else:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"p\.npy: cannot be read as an array"):
        read_arrays(tmp_path / "y.npy", path)


def test_other_array_files_are_refused(tmp_path):
    np.savez(tmp_path / "both.npz", LABELS, PROBS)
    with pytest.raises(BadInput, match="holds several arrays"):
        read_arrays(tmp_path / "both.npz", tmp_path / "both.npz")
    with pytest.raises(BadInput, match=r"none\.npy: there is no such file"):
        read_arrays(tmp_path / "none.npy", tmp_path / "none.npy")
