from __future__ import annotations

import numpy as np
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from topfive.labelling import METHODS, consensus, prepare
from topfive.records import BadInput, Votes


def votes_of(rows: list[tuple[str, str, str]], answers: tuple[str, ...] | None = None) -> Votes:
    task, worker, label = zip(*rows, strict=True)
    return Votes.from_columns(task, worker, label, answers)


def poll(**tasks: str) -> Votes:
    """`poll(t="yyn")`: workers 0, 1, 2 say y, y, n of task t; answers in the order n, m, y."""
    rows = [(task, str(i), said) for task, answers in tasks.items() for i, said in enumerate(answers)]
    return votes_of(rows, ("n", "m", "y"))


def test_majority_by_hand():
    found = consensus(poll(a="yyyyn", b="nnnnn", c="ymn", d="yyynn"), "majority", classes=["n", "y"])
    assert found.tasks == ("a", "b", "c", "d")
    assert [found.classes[label] for label in found.label] == ["y", "n", "n", "y"]
    assert found.probability.tolist() == [0.8, 1.0, 0.5, 0.6]
    assert found.n_votes.tolist() == [5, 5, 3, 5]
    assert found.decision.tolist() == ["accept", "reject", "ask_more", "ask_more"]


def test_another_answer_counts_as_equal_shares():
    found = consensus(poll(a="ymm"), "majority", classes=["n", "y"])
    assert found.probability.tolist() == [(1 + 2 / 2) / 3]
    assert consensus(poll(a="mmm", b="yyn"), "majority", classes=["n", "y"]).decision[0] == "ask_more"


@pytest.mark.parametrize("classes", [["n", "y"], ["y", "n"]])
def test_a_tie_names_the_first_class_listed_and_asks_more(classes):
    found = consensus(poll(a="yn", b="ynnnn", c="yyyyn"), "majority", classes=classes)
    assert found.classes[found.label[0]] == classes[0]
    assert found.decision[0] == "ask_more"


def test_accept_and_reject_follow_the_order_of_two_classes():
    votes = poll(a="yyyyy", b="nnnnn")
    assert consensus(votes, "majority", classes=["n", "y"]).decision.tolist() == ["accept", "reject"]
    assert consensus(votes, "majority", classes=["y", "n"]).decision.tolist() == ["reject", "accept"]
    assert consensus(votes, "majority").decision.tolist() == ["accept", "accept"]  # three answers: no affirmative one


def test_the_threshold_is_inclusive():
    votes = poll(a="yyyn", b="yyyyn")
    assert consensus(votes, "majority", classes=["n", "y"], threshold=0.75).decision[0] == "accept"
    assert consensus(votes, "majority", classes=["n", "y"], threshold=0.76).decision[0] == "ask_more"


def test_gold_fixes_the_truth_of_its_tasks():
    found = consensus(poll(a="nnn", b="yyy"), "majority", classes=["n", "y"], gold={"a": "y", "never asked": "n"})
    assert found.classes[found.label[0]] == "y"
    assert found.probability[0] == 1.0
    assert found.decision.tolist() == ["accept", "accept"]
    assert found.facts["n_gold"] == 1


def test_a_task_without_votes_asks_more():
    votes = Votes(("a", "b"), ("w",), ("n", "y"), *(np.array([x], dtype=np.int32) for x in (0, 0, 1)))
    for method in METHODS:
        found = consensus(votes, method)
        assert found.n_votes.tolist() == [1, 0]
        assert found.decision[1] == "ask_more"
        assert found.probability[1] >= 0.5


def test_facts_have_the_keys_of_the_interface():
    facts = consensus(poll(a="yyn", b="nn"), "majority").to_json()
    assert facts["n_tasks"] == 2
    assert facts["n_votes"] == 5
    assert facts["n_workers"] == 3
    assert facts["iterations"] == 0
    assert facts["fleiss_kappa"] == pytest.approx((2 / 3 - 0.52) / 0.48)
    assert facts["decisions"] == {"accept": 1, "reject": 0, "ask_more": 1}


def test_the_result_is_written_as_csv_and_parquet(tmp_path):
    found = consensus(poll(a="yyn", b="nn"), "majority")
    for name in ("out.csv", "out.parquet"):
        found.write(tmp_path / name)
        read = pcsv.read_csv if name.endswith("csv") else pq.read_table
        table = read(tmp_path / name)
        assert table.column_names == ["task", "label", "probability", "n_votes", "decision"]
        assert table["label"].to_pylist() == ["y", "n"]
        assert table["probability"].to_pylist() == pytest.approx([2 / 3, 1.0])


def test_the_first_vote_may_come_from_a_file(tmp_path):
    (tmp_path / "votes.csv").write_text("task,worker,label\n1,a,yes\n1,b,yes\n2,a,no\n2,b,no\n")
    found = consensus(Votes.read(tmp_path / "votes.csv"), "majority", classes=["no", "yes"])
    assert found.decision.tolist() == ["accept", "reject"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "median"}, "no consensus method is called 'median'.*dawid-skene, majority"),
        ({"classes": ["n", "x"]}, "nobody answers 'x'. Name some of the answers: n, m, y"),
        ({"classes": ["n", "n"]}, "'n' stands twice"),
        ({"classes": []}, "no class is named"),
        ({"gold": {"a": "x"}}, "gold questions, task 'a': label 'x' is not one of n, m, y"),
        ({"gold": {"z": "y"}}, "none of the 1 gold tasks has votes"),
        ({"threshold": 1.5}, "1.5 is no probability"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments, message):
    with pytest.raises(BadInput, match=message):
        consensus(poll(a="yyn"), **({"method": "majority"} | arguments))


def test_no_votes_are_refused():
    none = np.empty(0, dtype=np.int32)
    with pytest.raises(BadInput, match="there are no votes"):
        consensus(Votes(("a",), ("w",), ("n", "y"), none, none, none), "majority")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_prepared(method):
    prepare(method)
