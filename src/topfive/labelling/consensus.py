"""From votes to the agreed label of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.labelling.gold import gold_indices
from topfive.labelling.kappa import fleiss_kappa
from topfive.labelling.method import MOST_CELLS, Ballot, load
from topfive.records import UNKNOWN, BadInput, Consensus, Votes

ACCEPT_AT = 0.8
"""The probability that settles a task: ReaL's own cut on its Dawid-Skene scores (Beyer et al. 2020)."""

_TIE = 1e-9
"""Probabilities closer than this are equal: they differ by the order of summation only."""


def consensus(
    votes: Votes,
    method: str,
    *,
    classes: Sequence[str] | None = None,
    gold: Mapping[str, str] | None = None,
    seed: int = 0,
    threshold: float = ACCEPT_AT,
) -> Consensus:
    """The label of each task by `method` (one of METHODS), with its probability and a decision.

    `classes` are the answers that can be true, in order; without it all answers can. Any other answer still counts in
    each worker's behaviour. `gold` fixes the truth of tasks by name. A tie names the first class listed.

    Decision: `ask_more` on a tie, below `threshold`, or without votes. Else, with two classes (a yes-no question: the
    last is the affirmative) `accept` for the last and `reject` for the first; with more, `accept`.

    `facts` has INTERFACE's keys but `seconds`, which only a caller with a clock can add. Raises BadInput.
    """
    chosen = load(method)
    if not 0.0 <= threshold <= 1.0:
        raise BadInput(f"{threshold} is no probability", where="threshold")
    votes.check()
    if len(votes) == 0:
        raise BadInput("there are no votes", where="votes")
    classes = _classes(votes, classes)
    known = gold_indices(gold or {}, votes.tasks, classes)
    n_votes = np.bincount(votes.task, minlength=len(votes.tasks))
    found = chosen.estimate(Ballot(votes, _shares(votes, classes, n_votes, known), known), seed=seed)

    largest = found.probability.max(axis=1)
    level = found.probability >= largest[:, None] - _TIE
    label = level.argmax(axis=1).astype(np.int32)
    settled = (level.sum(axis=1) == 1) & (largest >= threshold) & ((n_votes > 0) | (known != UNKNOWN))
    decision = np.where(settled, "accept", "ask_more").astype(object)
    if len(classes) == 2:
        decision[settled & (label == 0)] = "reject"
    facts: dict[str, Any] = {
        "method": method,
        "n_tasks": len(votes.tasks),
        "n_votes": len(votes),
        "n_workers": len(votes.workers),
        "n_gold": int((known != UNKNOWN).sum()),
        "iterations": found.iterations,
        "fleiss_kappa": fleiss_kappa(votes),
        "decisions": {name: int((decision == name).sum()) for name in ("accept", "reject", "ask_more")},
        **found.facts,
    }
    probability = np.minimum(found.probability[np.arange(len(label)), label], 1.0)
    return Consensus(votes.tasks, tuple(classes), label, probability, n_votes.astype(np.int64), decision, facts)


def prepare(method: str) -> None:
    """Import and compile what `method` runs, so that a caller can time `consensus` without it."""
    one = Votes.from_columns(["task", "task"], ["worker", "other"], ["no", "yes"])
    consensus(one, method)


def _classes(votes: Votes, classes: Sequence[str] | None) -> tuple[str, ...]:
    if classes is None:
        return votes.answers
    if len(classes) == 0:
        raise BadInput("no class is named", where="classes", fix=f"Answers: {', '.join(votes.answers)}")
    for position, name in enumerate(classes):
        if name not in votes.answers:
            raise BadInput(
                f"nobody answers {name!r}", where="classes", fix=f"Name some of the answers: {', '.join(votes.answers)}"
            )
        if name in classes[:position]:
            raise BadInput(f"{name!r} stands twice", where="classes")
    return tuple(classes)


def _shares(
    votes: Votes, classes: Sequence[str], n_votes: NDArray[np.int64], known: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Each class's share of each task's votes, [n_tasks, K]; see Ballot."""
    n_tasks, n_classes = len(votes.tasks), len(classes)
    if n_tasks * n_classes > MOST_CELLS:
        raise BadInput(
            f"{n_tasks:,} tasks times {n_classes:,} classes are too many for one table",
            where="votes",
            fix="Limit the truth by --classes, or split the tasks",
        )
    index = {name: position for position, name in enumerate(classes)}
    place = np.array([index.get(name, n_classes) for name in votes.answers], dtype=np.int64)
    cells = votes.task * np.int64(n_classes + 1) + place[votes.answer]
    counts = np.bincount(cells, minlength=n_tasks * (n_classes + 1)).reshape(n_tasks, n_classes + 1)
    # Whole numbers until the one division, so that equal counts are equal shares to the last bit.
    shares = (counts[:, :-1] * n_classes + counts[:, -1:]) / np.maximum(n_votes * n_classes, 1)[:, None]
    shares[n_votes == 0] = 1.0 / n_classes
    fixed = np.flatnonzero(known != UNKNOWN)
    shares[fixed] = 0.0
    shares[fixed, known[fixed]] = 1.0
    return shares
