from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from scoring.made import class_list
from topfive.records import BadInput, Truth
from topfive.scoring import corrected, read_reviews


def entry(number: int, given: int, guessed: int, votes: str) -> dict[str, object]:
    """`votes` in the order given, guessed, both, neither."""
    counts = dict(zip(("given", "guessed", "both", "neither"), map(int, votes), strict=True))
    url = f"https://example.org/val/n0/ILSVRC2012_val_{number:08d}.JPEG"
    return {"id": number, "url": url, "given_original_label": given, "our_guessed_label": guessed, "mturk": counts}


def written(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "votes.json"
    path.write_text(json.dumps(value))
    return path


def ids(*numbers: int) -> list[str]:
    return [f"ILSVRC2012_val_{number:08d}" for number in numbers]


def test_the_rule_by_hand(tmp_path: Path) -> None:
    votes = [
        entry(9, 0, 1, "3110"),
        entry(2, 0, 1, "1400"),
        entry(3, 0, 1, "0050"),
        entry(4, 2, 1, "0113"),
        entry(5, 3, 1, "2210"),
        entry(77, 3, 1, "0500"),
    ]
    reviews = read_reviews(written(tmp_path, votes))
    assert [review.outcome for review in reviews] == ["given", "guessed", "both", "neither", None, "guessed"]
    original = Truth.from_sets(ids(2, 9, 3, 4, 5, 6), [[0], [0], [0], [2], [3], [1]], class_list(4))
    found = corrected(original, reviews)
    assert (found.ids, found.name) == (original.ids, "corrected")
    assert [found.of(row).tolist() for row in range(6)] == [[1], [0], [0, 1], [], [], [1]]


def test_labels_that_differ_from_those_reviewed_are_refused(tmp_path: Path) -> None:
    reviews = read_reviews(written(tmp_path, [entry(2, 0, 1, "0500")]))
    with pytest.raises(
        BadInput, match=r"^votes: image 'ILSVRC2012_val_00000002' was reviewed as class 0, not \[3\]\. .* order"
    ):
        corrected(Truth.from_sets(ids(2), [[3]], class_list(4)), reviews, "votes")
    with pytest.raises(BadInput, match=r"^reviews: reviews none of these images\. .* val split$"):
        corrected(Truth.from_sets(ids(3), [[0]], class_list(4)), reviews)


@pytest.mark.parametrize(
    "change",
    [
        {"url": None},
        {"url": 7},
        {"mturk": []},
        {"mturk": {"given": "5", "guessed": 0, "both": 0, "neither": 0}},
        {"url": "https://example.org/.JPEG"},
        {"given_original_label": None},
        {"given_original_label": 4},
        {"our_guessed_label": -1},
        {"our_guessed_label": True},
        {"our_guessed_label": "1"},
        {"mturk": None},
        {"mturk": {"given": 5, "guessed": 0, "both": 0}},
        {"mturk": {"given": 5, "guessed": 0, "both": 0, "neither": -1}},
        {"mturk": {"given": 5, "guessed": 0.5, "both": 0, "neither": 0}},
    ],
)
def test_malformed_entries_are_named(tmp_path: Path, change: dict[str, object]) -> None:
    path = written(tmp_path, [entry(1, 0, 1, "5000"), entry(2, 0, 1, "5000") | change])
    with pytest.raises(BadInput, match=r"votes\.json, entry 2: lacks url, labels or votes"):
        read_reviews(path, 4)


def test_files_that_are_no_list_of_reviews(tmp_path: Path) -> None:
    for value, message in (([], "is no list"), ({}, "is no list"), ([3], "entry 1: lacks"), (["x"], "entry 1: lacks")):
        with pytest.raises(BadInput, match=rf"votes\.json.*{message}"):
            read_reviews(written(tmp_path, value))
    with pytest.raises(BadInput, match=r"votes\.json: is no list of reviewed images\. Name imagenet_mturk\.json$"):
        read_reviews(written(tmp_path, []))
    with pytest.raises(BadInput, match=r"votes\.json, entry 2: image 'ILSVRC2012_val_00000001' stands twice$"):
        read_reviews(written(tmp_path, [entry(1, 0, 1, "5000")] * 2))
    (tmp_path / "votes.json").write_text("[" * 100_000)
    with pytest.raises(BadInput, match=r"votes\.json: cannot be read as JSON"):
        read_reviews(tmp_path / "votes.json")
    with pytest.raises(BadInput, match=r"missing\.json: there is no such file\. Name imagenet_mturk\.json"):
        read_reviews(tmp_path / "missing.json")
    assert len(read_reviews(written(tmp_path, [entry(1, 3, 3, "5000")]), 4)) == 1


def test_the_published_votes(shared: Path) -> None:
    reviews = read_reviews(shared / "data" / "labels" / "imagenet_mturk.json")
    assert len(reviews) == 5440 and {sum(review.votes) for review in reviews} == {5}
    counts = Counter(review.outcome for review in reviews)
    assert counts == {"given": 2524, "guessed": 1428, "both": 597, "neither": 293, None: 598}
    unanimous = Counter(review.outcome for review in reviews if max(review.votes) == 5)
    assert unanimous == {"given": 1016, "guessed": 468, "both": 129, "neither": 34}
    assert (len(reviews) - counts["given"]) / 50_000 == pytest.approx(0.0583, abs=5e-5)


def test_the_classes_are_ilsvrcs_thousand(tmp_path: Path) -> None:
    assert read_reviews(written(tmp_path, [entry(1, 999, 0, "5000")]))[0].given == 999
    with pytest.raises(BadInput, match="entry 1: lacks url, labels or votes"):
        read_reviews(written(tmp_path, [entry(1, 1000, 0, "5000")]))


def test_a_file_name_may_hold_dots_and_lie_anywhere(tmp_path: Path) -> None:
    urls = {"a.b.JPEG": "a.b", "x/y/c.png": "c"}
    for url, image_id in urls.items():
        assert read_reviews(written(tmp_path, [entry(1, 0, 1, "5000") | {"url": url}]))[0].image_id == image_id
