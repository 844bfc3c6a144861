"""Agreement between workers beyond chance."""

from __future__ import annotations

import numpy as np

from topfive.records import Votes


def fleiss_kappa(votes: Votes) -> float | None:
    """Fleiss's kappa over all answers, for any number of votes a task; None where it is undefined.

    Observed agreement is the mean, over tasks with at least two votes, of the share of agreeing pairs of votes; chance
    agreement is the sum of squares of each answer's share of all votes. With equal numbers of votes this is
    Fleiss (1971). Undefined: no task with two votes, or one answer throughout.
    """
    if len(votes) == 0:
        return None
    n_answers = len(votes.answers)
    n_votes = np.bincount(votes.task, minlength=len(votes.tasks)).astype(np.float64)
    cell, count = np.unique(votes.task.astype(np.int64) * n_answers + votes.answer, return_counts=True)
    squares = np.bincount(cell // n_answers, weights=count.astype(np.float64) ** 2, minlength=len(votes.tasks))
    several = n_votes >= 2
    share = np.bincount(votes.answer, minlength=n_answers) / len(votes)
    by_chance = float(np.square(share).sum())
    if not several.any() or np.count_nonzero(share) == 1:
        return None
    n = n_votes[several]
    observed = float(np.mean((squares[several] - n) / (n * (n - 1))))
    return (observed - by_chance) / (1.0 - by_chance)
