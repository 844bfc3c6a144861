"""Dawid-Skene on as many votes as ReaL's raters gave: the time of a run by its iterations, 50 where they can be set."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.row import Sides, Timed
from topfive.labelling.method import Ballot
from topfive.labelling.methods.dawid_skene import estimate
from topfive.records import UNKNOWN, Votes

N_TASKS, N_EACH, N_WORKERS = 184_962, 5, 100
NAMES = np.array(["maybe", "no", "yes"])
TITLE = f"Dawid-Skene, an iteration over {N_TASKS * N_EACH:,} votes of {N_WORKERS} workers, 3 answers"
GOAL = "<= 6 ms"
_N_ITERATIONS = 50


def sides(rng: np.random.Generator) -> Sides:
    """Each side answers with the label of each task."""
    truth = rng.integers(0, 3, N_TASKS)
    skill = rng.uniform(0.6, 0.95, N_WORKERS)
    task = np.repeat(np.arange(N_TASKS), N_EACH)
    # Five workers of a hundred in a row from anywhere: nobody votes twice on a task.
    worker = (rng.integers(0, N_WORKERS, N_TASKS)[:, None] + np.arange(N_EACH)).ravel() % N_WORKERS
    right = rng.random(len(task)) < skill[worker]
    answer = np.where(right, truth[task], (truth[task] + rng.integers(1, 3, len(task))) % 3)
    texts = [np.char.mod("%06d", task), np.char.mod("%03d", worker), NAMES[answer]]

    def peer() -> Timed:
        from crowdkit.aggregation import DawidSkene

        frame = pd.DataFrame({"task": task, "worker": worker, "label": NAMES[answer]})
        method = DawidSkene(n_iter=10)
        began = time.perf_counter()
        found = method.fit_predict(frame)
        taken = time.perf_counter() - began
        return Timed(found.sort_index().to_numpy(), taken, len(method.loss_history_))

    def scipy() -> Timed:
        began = time.perf_counter()
        said = sparse.csr_matrix((np.ones(len(task)), (task, worker * 3 + answer)), (N_TASKS, N_WORKERS * 3))
        shares = np.bincount(task * 3 + answer, minlength=3 * N_TASKS).reshape(-1, 3) / N_EACH
        for _ in range(_N_ITERATIONS):
            counts = (said.T @ shares).reshape(N_WORKERS, 3, 3)
            log_error = np.log(counts / counts.sum(axis=1, keepdims=True)).reshape(-1, 3)
            scores = said @ log_error + np.log(shares.mean(axis=0))
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            shares = weights / weights.sum(axis=1, keepdims=True)
        taken = time.perf_counter() - began
        return Timed(NAMES[shares.argmax(axis=1)], taken, _N_ITERATIONS)

    votes = Votes.from_columns(*(column.tolist() for column in texts))
    shares = np.bincount(task * 3 + answer, minlength=3 * N_TASKS).reshape(-1, 3) / N_EACH
    ballot = Ballot(votes, shares, np.full(N_TASKS, UNKNOWN, dtype=np.int32))

    def ours() -> Timed:
        began = time.perf_counter()
        # No change is smaller than nothing, so that it goes on to the last iteration.
        found = estimate(ballot, tolerance=-1.0, max_iterations=_N_ITERATIONS)
        taken = time.perf_counter() - began
        return Timed(NAMES[found.probability.argmax(axis=1)], taken, found.iterations)

    def same(a: np.ndarray, b: np.ndarray) -> bool:
        """crowd-kit stops after two iterations, so that some labels are not the ones that the method ends with."""
        return float(np.mean(a == b)) > 0.995

    return Sides("crowd-kit 1.4.2", peer, ours, same, more={"SciPy's sparse matrices, as often": scipy})
