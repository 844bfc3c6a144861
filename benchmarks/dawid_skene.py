"""Ten iterations of Dawid-Skene on 200,000 simulated votes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.row import Sides
from topfive.labelling import consensus, prepare
from topfive.records import Votes

TITLE = "Dawid-Skene to convergence, 200,000 votes, 3 answers (peer: 10 iterations)"
GOAL = "<= 6 ms an iteration on 924,810 votes"


def sides(rng: np.random.Generator) -> Sides:
    from crowdkit.aggregation import DawidSkene

    n_tasks, n_workers = 40_000, 80
    truth = rng.integers(0, 3, n_tasks)
    skill = rng.uniform(0.6, 0.95, n_workers)
    task = np.repeat(np.arange(n_tasks), 5)
    worker = np.concatenate([rng.permutation(n_workers)[:5] for _ in range(n_tasks)])
    right = rng.random(len(task)) < skill[worker]
    answer = np.where(right, truth[task], (truth[task] + rng.integers(1, 3, len(task))) % 3)
    names = np.array(["maybe", "no", "yes"])
    frame = pd.DataFrame({"task": task, "worker": worker, "label": names[answer]})
    votes = Votes.from_columns([f"{t:06d}" for t in task], [f"{w:03d}" for w in worker], names[answer].tolist())
    prepare("dawid-skene")

    def peer() -> list[str]:
        return list(DawidSkene(n_iter=10).fit_predict(frame).sort_index())

    def ours() -> list[str]:
        made = consensus(votes, "dawid-skene")
        return [made.classes[k] for k in made.label]

    def same(a: list[str], b: list[str]) -> bool:
        return float(np.mean(np.array(a) == np.array(b))) > 0.995

    return Sides("crowd-kit 1.4.2", peer, ours, same)
