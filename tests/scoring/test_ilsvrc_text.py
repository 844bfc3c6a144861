from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList
from topfive.scoring import (
    flat_errors,
    hierarchical_errors,
    read_submission,
    score_submission,
    wilson,
    write_submission,
)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "submission.txt"
    path.write_bytes(data)
    return path


def test_reads_short_lines_tabs_and_crlf(tmp_path: Path) -> None:
    path = written(tmp_path, b"771 778\t794 387 650 \r\n 3\r\n1000 1")
    assert read_submission(path).tolist() == [[771, 778, 794, 387, 650], [3, 0, 0, 0, 0], [1000, 1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "submission.txt: is empty"),
        (b"\n\n", "row 1: is blank"),
        (b"1 2\n\n3\n", "row 2: is blank"),
        (b"1 2\n3\n \t\n", "row 3: is blank"),
        (b"1 2\n3 x\n", "row 2: b'x' is no positive integer"),
        (b"1.0\n", "row 1: b'1.0' is no positive integer"),
        (b"-1\n", "b'-1' is no positive integer"),
        (b"+1\n", "is no positive integer"),
        (b"1e2\n", "is no positive integer"),
        (b"1,2,3\n", "b'1,2,3' is no positive integer"),
        ("１ 2\n".encode(), "is no positive integer"),
        ("\u0661\n".encode(), "is no positive integer"),
        (b"1\xa02\n", "is no positive integer"),
        (b"1\x0b2\n", "is no positive integer"),
        (b"1 2\r3\n", "is no positive integer"),
        (b"\xef\xbb\xbf1 2\n", "row 1: begins with a byte-order mark"),
        ("1 2\n".encode("utf-16"), "row 1: holds a NUL byte"),
        (b"1 2\n3\x00\n", "row 2: holds a NUL byte"),
        (b"1\n0\n", "row 2: 0 is outside 1..1000"),
        (b"1001\n", "row 1: 1001 is outside 1..1000"),
        (b"9" * 5000, "row 1: an id of 5000 digits is out of range"),
        (b"1 2 3 4 5 6\n", "row 1: 6 ids, at most 5 count"),
        (b"1 2\n4 5 4\n", "row 2: names class 4 twice"),
        (b"04 4\n", "row 1: names class 4 twice"),
        (b"PK\x03\x04zip", "is no positive integer"),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(BadInput) as error:
        read_submission(written(tmp_path, data))
    assert message in str(error.value)
    assert "submission.txt" in str(error.value)


def test_repeats_are_read_where_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, b"4 5 4\n")
    assert read_submission(path, allow_repeats=True).tolist() == [[4, 5, 4, 0, 0]]


def test_missing_and_oversize_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_submission(tmp_path / "nowhere.txt")
    monkeypatch.setattr("topfive.scoring.ilsvrc_text.MAX_BYTES", 3)
    with pytest.raises(BadInput, match="is over 0 MiB"):
        read_submission(written(tmp_path, b"1 2\n"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text("0123456789 \t\r\n-.\ufeff\x00", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.mktemp("fuzz"), data)
    try:
        rows = read_submission(path)
    except BadInput:
        return
    write_submission(path, rows)
    assert (read_submission(path) == rows).all()
    assert rows.min() >= 0 and rows.max() <= 1000 and (rows[:, 0] > 0).all()


def devkit_flat(pred: np.ndarray, gt: np.ndarray, k: int) -> float:
    """Image by image, as the kit's text says."""
    total = 0.0
    for guesses, labels in zip(pred.tolist(), gt.tolist(), strict=True):
        real = [label for label in labels if label]
        total += sum(label not in guesses[:k] for label in real) / len(real)
    return total / len(pred)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_flat_errors_equal_the_slow_form(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    pred = np.zeros((n, 5), np.int32)
    truth = np.zeros((n, 3), np.int32)
    for row in range(n):
        for array in (pred, truth):
            count = rng.integers(1, array.shape[1] + 1)
            array[row, :count] = rng.permutation(8)[:count] + 1
    expected = [devkit_flat(pred, truth, k) for k in range(1, 6)]
    assert flat_errors(pred, truth) == pytest.approx(expected)


def test_flat_errors_by_hand() -> None:
    # One image with labels 4 and 7: the first guess finds half of them, the third the rest.
    assert flat_errors(np.array([[4, 2, 7, 0, 0]]), np.array([[4, 7, 0]])) == (0.5, 0.5, 0.0, 0.0, 0.0)
    # Padding zeros on both sides never match each other into a hit.
    assert flat_errors(np.array([[2, 0, 0, 0, 0]]), np.array([[4, 0]])) == (1.0,) * 5


def test_flat_errors_refusals() -> None:
    with pytest.raises(BadInput, match="has 2 lines, the truth 3"):
        flat_errors(np.ones((2, 5), np.int32), np.ones(3, np.int32))
    with pytest.raises(BadInput, match="row 2: has no label"):
        flat_errors(np.ones((2, 5), np.int32), np.array([[1, 0], [0, 0]]))
    with pytest.raises(BadInput, match="is empty"):
        flat_errors(np.ones((0, 5), np.int32), np.ones(0, np.int32))


def test_hierarchical_errors_by_hand() -> None:
    cost = np.array([[0, 2, 9], [2, 0, 9], [9, 9, 0]], dtype=np.uint8)
    guesses = np.array([[2, 1, 0, -1, -1], [1, -1, -1, -1, -1]], dtype=np.int32)
    assert hierarchical_errors(guesses, np.array([0, 1], np.int32), cost) == (4.5, 1.0, 0.0, 0.0, 0.0)
    with pytest.raises(BadInput, match="row 1: has no guess"):
        hierarchical_errors(np.full((1, 5), -1, np.int32), np.array([0], np.int32), cost)
    with pytest.raises(BadInput, match="row 1: class_index outside the 3"):
        hierarchical_errors(np.full((1, 5), 3, np.int32), np.array([0], np.int32), cost)


def test_scores_of_a_submission() -> None:
    classes = ClassList(("n1", "n2", "n3"), ("a", "b", "c"))
    index_of_id = np.array([-1, 2, 0, 1], dtype=np.int32)
    submission = np.array([[1, 2, 0, 0, 0], [3, 1, 0, 0, 0], [3, 0, 0, 0, 0]], np.int32)
    cost = np.array([[0, 1, 3], [1, 0, 3], [3, 3, 0]], dtype=np.uint8)
    scores = score_submission(
        submission, np.array([1, 1, 2], np.int32), classes=classes, index_of_id=index_of_id, cost=cost
    )
    assert (scores.n, scores.top1_correct, scores.top5_correct) == (3, 1, 2)
    assert scores.per_class == {"n1": (1, 0, 0), "n3": (2, 1, 2)}
    assert scores.extra["flat_error"] == pytest.approx([2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])
    assert scores.extra["hierarchical_error"] == pytest.approx([4 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])
    assert scores.to_json()["flat_error"] == scores.extra["flat_error"]
    plain = score_submission(submission, np.array([1, 1, 2], np.int32), classes=classes, index_of_id=index_of_id)
    assert "hierarchical_error" not in plain.extra


KIT = "ILSVRC2012_devkit_t12/"


@pytest.fixture(scope="module")
def kit(shared: Path) -> dict[str, bytes]:
    wanted = {
        "demo": "evaluation/demo.val.pred.txt",
        "truth": "data/ILSVRC2012_validation_ground_truth.txt",
        "meta": "data/meta.mat",
    }
    with tarfile.open(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz") as archive:
        members = {name: archive.extractfile(KIT + path) for name, path in wanted.items()}
        return {name: member.read() for name, member in members.items() if member is not None}


def test_the_kit_demo_predictions(kit: dict[str, bytes], tmp_path: Path) -> None:
    submission = read_submission(written(tmp_path, kit["demo"]), allow_repeats=True)
    truth = np.array(kit["truth"].split(), dtype=np.int32)
    assert submission.shape == (50_000, 5)
    with pytest.raises(BadInput, match="row 4: names class 755 twice"):
        read_submission(tmp_path / "submission.txt")
    assert [f"{e:.5f}" for e in flat_errors(submission, truth)] == [
        "0.99898",
        "0.99802",
        "0.99722",
        "0.99620",
        "0.99500",
    ]


def test_the_kit_demo_hierarchical_error(kit: dict[str, bytes], tmp_path: Path) -> None:
    """Cost is the least height of a common ancestor in the kit's own synsets, 0 on the diagonal."""
    scipy_io = pytest.importorskip("scipy.io")
    synsets = scipy_io.loadmat(io.BytesIO(kit["meta"]), squeeze_me=True)["synsets"]
    children = {int(s[0]): np.atleast_1d(s[5]).astype(int).tolist() for s in synsets}
    below = np.zeros((1861, 1001), dtype=bool)
    below[np.arange(1, 1001), np.arange(1, 1001)] = True

    def fill(node: int) -> np.ndarray:
        for child in children[node]:
            below[node] |= fill(child)
        return below[node]

    fill(1001)
    cost = np.full((1001, 1001), 255, dtype=np.uint8)
    for synset in sorted(synsets, key=lambda s: -int(s[6])):
        leaves = np.flatnonzero(below[int(synset[0])])
        cost[np.ix_(leaves, leaves)] = int(synset[6])
    np.fill_diagonal(cost, 0)
    cost = cost[1:, 1:]
    assert (cost[~np.eye(1000, dtype=bool)].mean(), cost.max()) == (pytest.approx(13.5636, abs=5e-5), 19)
    submission = read_submission(written(tmp_path, kit["demo"]), allow_repeats=True)
    truth = np.array(kit["truth"].split(), dtype=np.int32)
    errors = hierarchical_errors(submission - 1, truth - 1, cost)
    assert [round(e, 5) for e in errors] == [13.52086, 11.97784, 11.06288, 10.45044, 10.00234]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty. Write one line an image, up to five ids each"),
        (b" \n", "row 1: is blank. Give each image at least one id"),
        (b"\xef\xbb\xbf1", "row 1: begins with a byte-order mark. Save it as plain ASCII"),
        (b"1\n2\x00", "row 2: holds a NUL byte. Save it as plain ASCII"),
        (b"1\n" + b"x" * 41, f"row 2: {b'x' * 40!r} is no positive integer. Write ids as ASCII digits"),
        (b"1 1000 1001", "row 1: 1001 is outside 1..1000"),
        (b"5 0", "row 1: 0 is outside 1..1000"),
        (b"999999999", "row 1: 999999999 is outside 1..1000"),
        (b"1234567890", "row 1: an id of 10 digits is out of range"),
        (b"123456789 12345678901 1234567890", "row 1: an id of 11 digits is out of range"),
        (b"5 4 4", "row 1: names class 4 twice"),
    ],
)
def test_refusals_say_what_to_do(tmp_path: Path, data: bytes, message: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(BadInput) as refused:
        read_submission(path)
    assert str(refused.value) == f"{path}{', ' if message.startswith('row') else ': '}{message}"


def test_the_largest_file_is_64_mib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(BadInput, match=r"large\.txt: is over 64 MiB\. A submission holds five ids a line$"):
        read_submission(tmp_path / "large.txt")
    monkeypatch.setattr("topfive.scoring.ilsvrc_text.MAX_BYTES", 4)
    assert len(read_submission(written(tmp_path, b"1 2\n"))) == 1
    with pytest.raises(BadInput, match=r"nowhere\.txt: "):
        read_submission(tmp_path / "nowhere.txt")


def test_what_is_written_by_hand(tmp_path: Path) -> None:
    write_submission(tmp_path / "new.txt", np.array([[3, 1, 2, 0, 0], [1000, 0, 0, 0, 0]], np.int32))
    assert (tmp_path / "new.txt").read_bytes() == b"3 1 2\n1000\n"


def test_unlike_arrays_are_named_with_the_first_row_at_fault() -> None:
    ones, where = np.ones((2, 5), np.int32), "p.txt"
    with pytest.raises(BadInput, match=r"^p\.txt: has 2 lines, the truth 3\. Write one line an image, in order$"):
        flat_errors(ones, np.ones(3, np.int32), where)
    with pytest.raises(BadInput, match=r"^submission: is empty$"):
        flat_errors(ones[:0], np.ones(0, np.int32))
    with pytest.raises(BadInput, match=r"^truth, row 2: has no label$"):
        flat_errors(np.ones((3, 5), np.int32), np.array([[1, 0], [0, 0], [0, 0]]))
    cost = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    guesses, truth = np.array([[0, 1, -1, -1, -1]] * 4, np.int32), np.zeros(4, np.int32)
    with pytest.raises(BadInput, match=r"^submission: has 4 lines, the truth 3\."):
        hierarchical_errors(guesses, truth[:3], cost)
    guesses[1:3, 0] = -1
    with pytest.raises(BadInput, match=r"^p\.txt, row 2: has no guess$"):
        hierarchical_errors(guesses, truth, cost, where)
    guesses[:, 0] = 0
    for place, wrong in ((3, 2), (4, -2)):
        bad = guesses.copy()
        bad[1:3, place] = wrong
        with pytest.raises(BadInput, match=r"^p\.txt, row 2: class_index outside the 2 of the costs$"):
            hierarchical_errors(bad, truth, cost, where)
    for wrong in (-1, 2):
        with pytest.raises(BadInput, match=r"^submission, row 3: class_index outside"):
            hierarchical_errors(guesses, np.array([0, 0, wrong, 0], np.int32), cost)
    # A guess that was not made takes nothing off the dearest one.
    only = np.array([[1, -1, -1, -1, -1]], np.int32)
    assert hierarchical_errors(only, truth[:1], cost) == (255.0,) * 5


def test_every_figure_of_a_submission_by_hand() -> None:
    classes = ClassList(("n1", "n2", "n3"), ("a", "b", "c"))
    submission = np.array([[1, 2, 3, 0, 0], [2, 1, 3, 0, 0], [2, 3, 0, 0, 0], [2, 1, 0, 0, 0]], np.int32)
    by_id = np.array([-1, 0, 1, 2], np.int32)
    found = score_submission(submission, np.ones(4, np.int32), classes=classes, index_of_id=by_id)
    assert (found.n, found.protocol, found.truth, found.view) == (4, "ilsvrc-flat/1", "original", None)
    assert (found.top1_correct, found.top5_correct, found.top1_error, found.top5_error) == (1, 3, 0.75, 0.25)
    assert (found.top1_error_interval, found.top5_error_interval) == (wilson(3, 4), wilson(1, 4))
    assert (found.classes, found.per_class) == (classes.digest, {"n1": (4, 1, 3)})
    kept = {"classes": classes, "index_of_id": by_id}
    with pytest.raises(BadInput, match=r"^submission: has 4 lines, the truth 3"):
        score_submission(submission, np.ones(3, np.int32), **kept)
    with pytest.raises(BadInput, match=r"^p\.txt: has 4 lines, the truth 3"):
        score_submission(submission, np.ones(3, np.int32), **kept, where="p.txt")
    submission[1, 0] = 0
    with pytest.raises(BadInput, match=r"^p\.txt, row 2: has no guess$"):
        score_submission(submission, np.ones(4, np.int32), **kept, cost=np.zeros((3, 3), np.uint8), where="p.txt")
