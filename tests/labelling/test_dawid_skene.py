from __future__ import annotations

import math
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.labelling import consensus
from topfive.labelling.consensus import _shares
from topfive.labelling.method import Ballot, Estimate
from topfive.labelling.methods.dawid_skene import estimate
from topfive.records import UNKNOWN, BadInput, Votes


def ballot_of(votes: Votes, classes: tuple[str, ...], gold: dict[int, int] | None = None) -> Ballot:
    known = np.full(len(votes.tasks), UNKNOWN, dtype=np.int32)
    for task, label in (gold or {}).items():
        known[task] = label
    return Ballot(votes, _shares(votes, classes, np.bincount(votes.task, minlength=len(votes.tasks)), known), known)


def iterate(ballot: Ballot, n: int) -> Estimate:
    return estimate(ballot, tolerance=-1.0, max_iterations=n)


def simulated(rng: np.random.Generator, n_tasks: int = 200, n_workers: int = 12, per_task: int = 4) -> Votes:
    """Workers with confusion matrices of their own; answers no, maybe, yes; the truth is no or yes."""
    truth = rng.random(n_tasks) < 0.3
    matrix = rng.dirichlet([1, 1, 1], size=(n_workers, 2)) * 0.5
    matrix[:, 0, 0] += 0.5
    matrix[:, 1, 2] += 0.5
    task = np.repeat(np.arange(n_tasks), per_task)
    worker = np.argsort(rng.random((n_tasks, n_workers)), axis=1)[:, :per_task].ravel()
    rows = matrix[worker, truth[task].astype(int)]
    answer = (rng.random(len(task))[:, None] > rows.cumsum(axis=1)).sum(axis=1).clip(max=2)
    order = rng.permutation(len(task))
    return Votes(
        tuple(f"t{i}" for i in range(n_tasks)),
        tuple(f"w{i}" for i in range(n_workers)),
        ("no", "maybe", "yes"),
        *(column[order].astype(np.int32) for column in (task, worker, answer)),
    )


def slow(ballot: Ballot, n: int) -> tuple[np.ndarray, list[float]]:
    """EM from the paper's formulas, one vote at a time; returns probabilities and the log-likelihoods."""
    votes, truth = ballot.votes, ballot.shares.tolist()
    triples = list(zip(votes.task.tolist(), votes.worker.tolist(), votes.answer.tolist(), strict=True))
    n_tasks, n_classes = ballot.shares.shape
    likelihoods = []
    for _ in range(n):
        prior = [sum(row[k] for row in truth) / n_tasks for k in range(n_classes)]
        count: Counter[tuple[int, int, int]] = Counter()
        total: Counter[tuple[int, int]] = Counter()
        for task, worker, answer in triples:
            for k in range(n_classes):
                count[worker, k, answer] += truth[task][k]
                total[worker, k] += truth[task][k]
        joint = [list(prior) for _ in range(n_tasks)]
        for task, worker, answer in triples:
            for k in range(n_classes):
                if total[worker, k]:
                    joint[task][k] *= count[worker, k, answer] / total[worker, k]
                else:
                    joint[task][k] /= len(votes.answers)
        likelihood = 0.0
        for task, row in enumerate(joint):
            known = int(ballot.gold[task])
            likelihood += math.log(sum(row) if known == UNKNOWN else row[known])
            if known == UNKNOWN:
                truth[task] = [value / sum(row) for value in row]
        likelihoods.append(likelihood)
    return np.array(truth), likelihoods


def test_one_iteration_by_hand():
    # Task a: yes, yes; task b: yes, no. Shares 1 and 1/2 for yes. Prior yes 3/4.
    # Worker 0 says yes of both: P(yes | yes) = P(yes | no) = 1. Worker 1: yes | yes 1/1.5, no | yes .5/1.5, no | no 1.
    votes = Votes.from_columns(["a", "a", "b", "b"], ["0", "1", "0", "1"], ["yes", "yes", "yes", "no"], ("no", "yes"))
    found = iterate(ballot_of(votes, ("no", "yes")), 1)
    assert found.probability[0].tolist() == [0.0, 1.0]
    assert found.probability[1] == pytest.approx([0.5, 0.5])  # no: 1/4 * 1 * 1; yes: 3/4 * 1 * 1/3
    assert found.facts["log_likelihood"] == pytest.approx(math.log(0.75 / 1.5) + math.log(0.25 + 0.25))


@given(st.integers(0, 2**32 - 1), st.sampled_from([("no", "yes"), ("no", "maybe", "yes"), ("yes",)]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_it_equals_the_formulas_taken_vote_by_vote(seed, classes, with_gold):
    rng = np.random.default_rng(seed)
    votes = simulated(rng, n_tasks=int(rng.integers(1, 15)), n_workers=5, per_task=int(rng.integers(1, 6)))
    ballot = ballot_of(votes, classes, {0: len(classes) - 1} if with_gold else None)
    for n in (1, 2, 7):
        expected, likelihoods = slow(ballot, n)
        found = iterate(ballot, n)
        np.testing.assert_allclose(found.probability, expected, atol=1e-9)
        assert found.facts["log_likelihood"] == pytest.approx(likelihoods[-1], abs=1e-8)


@pytest.mark.parametrize("classes", [("no", "yes"), ("no", "maybe", "yes")])
@pytest.mark.parametrize("gold", [None, {0: 1, 5: 0}])
def test_the_log_likelihood_never_falls(classes, gold):
    for seed in range(5):
        ballot = ballot_of(simulated(np.random.default_rng(seed)), classes, gold)
        trace = [iterate(ballot, n).facts["log_likelihood"] for n in range(1, 40)]
        assert (np.diff(trace) >= -1e-9 * abs(trace[0])).all()


def test_it_stops_when_nothing_moves_and_says_so():
    ballot = ballot_of(simulated(np.random.default_rng(3)), ("no", "yes"))
    found = estimate(ballot)
    assert found.facts["converged"]
    assert found.iterations < 200
    assert np.abs(iterate(ballot, found.iterations + 1).probability - found.probability).max() <= 1e-6
    assert estimate(ballot, max_iterations=2).facts["converged"] is False


def test_hundreds_of_votes_on_one_task_do_not_underflow():
    n = 3000
    votes = Votes.from_columns(
        ["big"] * n + ["small"] * 3,
        [f"w{i}" for i in range(n)] + ["w0", "w1", "w2"],
        ["yes" if i % 3 else "no" for i in range(n)] + ["no", "no", "yes"],
    )
    found = consensus(votes, "dawid-skene")
    assert np.isfinite(found.probability).all()
    assert found.classes[found.label[0]] == "yes"


def test_it_beats_majority_where_workers_differ():
    rng = np.random.default_rng(11)
    n_tasks, n_workers = 2000, 9
    truth = rng.integers(0, 2, n_tasks)
    skill = np.array([0.97] * 2 + [0.55] * 6 + [0.2])  # two experts, six near chance, one who means the opposite
    right = rng.random((n_tasks, n_workers)) < skill
    answer = np.where(right, truth[:, None], 1 - truth[:, None])
    task, worker = np.divmod(np.arange(n_tasks * n_workers), n_workers)
    votes = Votes(
        tuple(map(str, range(n_tasks))), tuple(map(str, range(n_workers))), ("no", "yes"),
        task.astype(np.int32), worker.astype(np.int32), answer.ravel().astype(np.int32),
    )  # fmt: skip
    accuracy = {method: (consensus(votes, method).label == truth).mean() for method in ("majority", "dawid-skene")}
    assert accuracy["dawid-skene"] > 0.97
    assert accuracy["majority"] < 0.8


def test_votes_in_any_order_give_the_same():
    votes = simulated(np.random.default_rng(5))
    order = np.random.default_rng(6).permutation(len(votes))
    shuffled = Votes(
        votes.tasks, votes.workers, votes.answers, votes.task[order], votes.worker[order], votes.answer[order]
    )
    one, two = (consensus(v, "dawid-skene", classes=("no", "yes")) for v in (votes, shuffled))
    np.testing.assert_allclose(one.probability, two.probability, atol=1e-9)
    assert (one.decision == two.decision).all()


def test_tables_beyond_memory_are_refused():
    names = [f"a{i}" for i in range(20_000)]
    many = Votes.from_columns(names, ["w"] * len(names), names)
    with pytest.raises(BadInput, match="20,000 tasks times 20,000 classes are too many"):
        consensus(many, "dawid-skene")
    few = Votes.from_columns(["t"] * len(names), names, names)
    with pytest.raises(BadInput, match=r"the matrices of 20000 workers.*use majority"):
        consensus(few, "dawid-skene", classes=names[:2])


def real_votes(shared) -> tuple[Votes, np.ndarray]:
    """78 raters' answers to 1,135 gold questions, and what most of five experts say (yes or not)."""
    raters = np.load(shared / "data" / "labels" / "real_raters_golden.npz")["tensor"]
    experts = np.load(shared / "data" / "labels" / "real_golden.npz")["tensor"]
    worker, task, answer = (index.astype(np.int32) for index in np.nonzero(raters))
    names = tuple(f"q{i:04d}" for i in range(raters.shape[1])), tuple(f"r{i:02d}" for i in range(len(raters)))
    return Votes(*names, ("no", "maybe", "yes"), task, worker, answer), experts[:, :, 2].sum(axis=0) >= 3


def test_real_votes_against_the_experts(shared):
    votes, yes = real_votes(shared)
    right = {}
    for method in ("majority", "dawid-skene"):
        for classes in (("no", "maybe", "yes"), ("no", "yes")):
            found = consensus(votes, method, classes=classes)
            right[method, len(classes)] = int(((np.array(found.classes)[found.label] == "yes") == yes).sum())
            assert found.facts["fleiss_kappa"] == pytest.approx(0.42957, abs=1e-5)
    assert right == {
        ("majority", 3): 1037,
        ("majority", 2): 1042,
        ("dawid-skene", 3): 1045,
        ("dawid-skene", 2): 1038,
    }


def test_crowd_kit_agrees_iteration_by_iteration(shared):
    pandas = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aggregation = pytest.importorskip("crowdkit.aggregation")
        votes, _ = real_votes(shared)
        frame = pandas.DataFrame({"task": votes.task, "worker": votes.worker, "label": votes.answer})
        ballot = ballot_of(votes, votes.answers)
        for n in (1, 2, 8):
            # Its own stopping rule ends after two iterations; without one it runs as many as asked.
            peer = aggregation.DawidSkene(n_iter=n, tol=-np.inf).fit(frame)
            assert len(peer.loss_history_) == n
            np.testing.assert_allclose(iterate(ballot, n).probability, peer.probas_[[0, 1, 2]].to_numpy(), atol=1e-6)
        peer = aggregation.MajorityVote().fit_predict(frame).to_numpy()
    ours = consensus(votes, "majority")
    ordered = np.sort(ballot.shares, axis=1)
    no_tie = ordered[:, -1] > ordered[:, -2]
    assert no_tie.sum() == 1131
    assert (ours.label[no_tie] == peer[no_tie]).all()
