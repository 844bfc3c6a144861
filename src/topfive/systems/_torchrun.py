"""What torchrun tells the processes that it starts: the one place where this room reads the environment."""

from __future__ import annotations

import os
import sys

from topfive.records import BadInput


def torchrun() -> tuple[int, int, int]:
    """This process's rank, its rank on this machine, and the number of processes; (0, 0, 1) without torchrun.

    Raises BadInput where the environment is not whole.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return 0, 0, 1
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise BadInput(f"is {world}, but {missing[0]} is not set", where="WORLD_SIZE", fix="Start with torchrun")
    return int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"]), world


def first_process() -> bool:
    """Whether this is the process that writes and reports."""
    return torchrun()[0] == 0


def farewell() -> None:
    """End this process at once, with success, if torchrun has started it; its work must be done and written.

    The interpreter's own farewell aborts now and then (torch 2.14, FSDP over gloo: 2 of 8 runs under load, with
    "terminate called without an active exception" after the last line of Python), and torchrun would then stop the
    process that is still writing.
    """
    if torchrun()[2] > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
