"""How often rank sets hold the true ranks: systems of known order are simulated, exact ties among them.

    python scripts/measure_ranks.py [TRIALS]

Each line is one order of true accuracies. An image is hard or easy for all systems alike (their normal deviates
correlate by 0.5); the share of trials in which every system's set holds all its true ranks has Wilson's 95 % interval.
"""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np

from topfive.scoring import rank_coverage

ORDERS: dict[str, tuple[float, ...]] = {
    "six tied": (0.76,) * 6,
    "three tied, three apart": (0.80, 0.78, 0.76, 0.76, 0.76, 0.70),
    "two ties of three": (0.78, 0.78, 0.78, 0.74, 0.74, 0.74),
    "half a point apart": (0.780, 0.775, 0.770, 0.765, 0.760, 0.755),
}
IMAGES = (1_000, 10_000)
CORRELATION = 0.5
SEED = 0


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    print("| true accuracies | images | all sets right, % | worst system, % | ranks in a set |")
    print("| --- | --- | --- | --- | --- |")
    began = perf_counter()
    for name, accuracy in ORDERS.items():
        for n in IMAGES:
            rng = np.random.default_rng(SEED)
            found = rank_coverage(accuracy, n, n_trials=trials, correlation=CORRELATION, rng=rng)
            value = found.to_json()
            low, high = value["coverage_interval"]
            print(
                f"| {name} | {n:,} | {100 * value['coverage']:.1f} ({100 * low:.1f} to {100 * high:.1f}) | "
                f"{100 * min(found.by_system):.1f} | {found.mean_width:.1f} |",
                flush=True,
            )
    print(f"{trials:,} trials each, {perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
