"""The contract of a consensus method: what every file in `topfive.labelling.methods` must do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topfive.labelling import METHODS, consensus, method
from topfive.records import Votes

ANSWERS = ("no", "maybe", "yes")


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def random_votes(seed: int, n_tasks: int = 60, n_workers: int = 7) -> Votes:
    """Workers who are right 8 times in 10; `t00` and `t01` are unanimous."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n_tasks)
    said = np.where(rng.random((n_tasks, n_workers)) < 0.8, truth[:, None], rng.integers(0, 3, (n_tasks, n_workers)))
    said[0], said[1] = 0, 2
    task, worker = np.divmod(np.arange(said.size), n_workers)
    names = tuple(f"t{i:02d}" for i in range(n_tasks)), tuple(f"w{i}" for i in range(n_workers))
    return Votes(*names, ANSWERS, *(c.astype(np.int32) for c in (task, worker, said.ravel())))


def test_the_registry_is_the_folder():
    folder = Path(method.methods.__path__[0])
    files = sorted(path.stem.replace("_", "-") for path in folder.glob("*.py") if path.stem != "__init__")
    assert list(METHODS) == files
    assert {"majority", "dawid-skene"} <= set(METHODS)


def test_it_has_a_title_and_a_page(name):
    assert method.load(name).TITLE
    page = Path(__file__).resolve().parents[2] / "docs" / "labelling.md"
    assert f"`{name}`" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("classes", [None, ("no", "yes"), ("yes", "maybe", "no")])
def test_label_and_probability_are_never_null(name, classes):
    found = consensus(random_votes(1), name, classes=classes)
    assert found.classes == (classes or ANSWERS)
    assert ((found.label >= 0) & (found.label < len(found.classes))).all()
    assert ((found.probability >= 1 / len(found.classes) - 1e-9) & (found.probability <= 1)).all()
    assert set(found.decision) <= {"accept", "reject", "ask_more"}
    assert {"n_tasks", "n_votes", "n_workers", "iterations", "fleiss_kappa"} <= found.to_json().keys()


def test_unanimous_tasks_get_that_label(name):
    found = consensus(random_votes(2), name)
    assert [found.classes[label] for label in found.label[:2]] == ["no", "yes"]
    assert found.decision[:2].tolist() == ["accept", "accept"]


def test_a_tie_names_the_first_class_listed(name):
    votes = Votes.from_columns(["t", "t"], ["a", "b"], ["yes", "no"])
    for classes in (("no", "yes"), ("yes", "no")):
        found = consensus(votes, name, classes=classes)
        assert found.classes[found.label[0]] == classes[0]
        assert found.decision.tolist() == ["ask_more"]


def test_gold_is_kept(name):
    found = consensus(random_votes(3), name, gold={"t00": "yes"})
    assert found.classes[found.label[0]] == "yes"
    assert found.probability[0] == 1.0


def test_one_vote_one_answer(name):
    found = consensus(Votes.from_columns(["t"], ["w"], ["cat"]), name)
    assert found.probability.tolist() == [1.0]
    assert found.facts["fleiss_kappa"] is None


def test_the_same_seed_gives_the_same(name):
    one, two = (consensus(random_votes(4), name, seed=7) for _ in range(2))
    assert one.probability.tobytes() == two.probability.tobytes()
    assert one.facts == two.facts
