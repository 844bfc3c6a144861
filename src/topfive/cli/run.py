"""`topfive run`: the main job, a whole challenge."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from topfive import flows
from topfive.cli.challenge import print_board
from topfive.cli.options import Seed
from topfive.cli.output import print_json
from topfive.cli.progress import Bars


def run(
    *,
    out: Path = Path("runs/main"),
    data: Path | None = None,
    systems: str | None = None,
    minutes: float | None = None,
    seed: Seed = 0,
    device: Literal["cpu", "cuda", "mps"] = "cpu",
    json: bool = False,
) -> None:
    """Hold a whole challenge: seal the labels, fit the systems, submit, score, audit, report.

    Without `--data` on the synthetic twin. Finished parts are kept: the same command goes on where it stopped.

    Example: `topfive run --out runs/main`

    Parameters
    ----------
    out
        The workspace: board.json, report.html and the run folders.
    data
        A dataset folder to hold it on, in place of the twin; it is not changed.
    systems
        Names by comma; default sift_fisher,alexnet,resnet,ensemble,linear_probe.
    minutes
        Begin no further system after so many minutes.
    seed
        Seed of the twin and of every fit.
    device
        cpu, cuda or mps.
    json
        Print one JSON object: the content of board.json.
    """
    chosen = flows.DEFAULT_SYSTEMS if systems is None else tuple(name.strip() for name in systems.split(","))
    salt = secrets.token_bytes(16)
    order = flows.Order(data=data, systems=chosen, minutes=minutes, seed=seed, device=device, salt=salt)
    with Bars() as progress:
        board = flows.hold_challenge(out, order, now=datetime.now(UTC), progress=progress)
    if json:
        print_json(board.to_json())
        return
    print_board(board.to_json())
    left_out = [name for name in chosen if name not in {row.system for row in board.rows}]
    if left_out:
        print(f"\nLeft out after {minutes:g} minutes: {', '.join(left_out)}")
    print(f"\nThe report: {out / 'report.html'}")
