"""Dawid and Skene (1979): each worker has a confusion matrix; truth and matrices are found by EM from vote shares.

Plain maximum likelihood, without smoothing, so the log-likelihood never falls. Answers that cannot be the truth have
their own columns in each worker's matrix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topfive.labelling.method import MOST_CELLS, Ballot, Estimate
from topfive.records import BadInput

TITLE = "Dawid-Skene"


def estimate(ballot: Ballot, *, seed: int = 0, tolerance: float = 1e-6, max_iterations: int = 200) -> Estimate:
    """Iterate until no probability moves by more than `tolerance`, or `max_iterations` times.

    Facts: `log_likelihood` (of the parameters that the last probabilities come from) and `converged`. No chance plays.
    """
    votes = ballot.votes
    n_tasks, n_classes = ballot.shares.shape
    n_answers = len(votes.answers)
    n_cells = len(votes.workers) * n_answers * n_classes
    if n_cells > MOST_CELLS:
        raise BadInput(
            f"the matrices of {len(votes.workers)} workers over {n_answers} answers and {n_classes} classes have "
            f"{n_cells:,} cells",
            where="dawid-skene",
            fix="Limit the truth by --classes, or use majority",
        )
    from topfive.labelling.em_pass import count_votes, score_tasks

    order = _by_task(votes.task)
    saying = (votes.worker * np.int32(n_answers) + votes.answer)[order]
    first_vote = np.concatenate([[0], np.cumsum(np.bincount(votes.task, minlength=n_tasks))])
    truth = ballot.shares.copy()
    weights = ballot.shares.copy()
    counts = np.empty((len(votes.workers) * n_answers, n_classes))
    class_total = np.empty(n_classes)
    count_votes(first_vote, saying, weights, ballot.gold, truth, counts, class_total)
    iterations, change, log_likelihood = 0, np.inf, -np.inf
    while change > tolerance and iterations < max_iterations:
        log_prior = _log(class_total / n_tasks)
        taken_off = score_tasks(first_vote, saying, _log_error(counts, n_answers), log_prior, ballot.gold, weights)
        np.exp(weights, out=weights)
        change, logs = count_votes(first_vote, saying, weights, ballot.gold, truth, counts, class_total)
        log_likelihood = taken_off + logs
        iterations += 1
    return Estimate(truth, iterations, {"log_likelihood": log_likelihood, "converged": bool(change <= tolerance)})


def _by_task(task: NDArray[np.int32]) -> NDArray[np.int64] | slice:
    return slice(None) if (task[1:] >= task[:-1]).all() else np.argsort(task, kind="stable")


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zero becomes minus infinity: with no smoothing, what was never seen is impossible."""
    with np.errstate(divide="ignore"):
        return np.log(values)


def _log_error(counts: NDArray[np.float64], n_answers: int) -> NDArray[np.float64]:
    """log P(worker says answer | class), [n_workers * n_answers, K].

    A worker who met no task of a class is taken to answer it evenly: no count speaks for anything else.
    """
    by_worker = counts.reshape(-1, n_answers, counts.shape[1])
    totals = by_worker.sum(axis=1, keepdims=True)
    rates = np.divide(by_worker, totals, out=np.full_like(by_worker, 1.0 / n_answers), where=totals > 0.0)
    return _log(rates).reshape(counts.shape)
