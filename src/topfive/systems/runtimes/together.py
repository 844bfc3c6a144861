"""Processes that share out one prediction, as torchrun starts them; one process is the plain case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from topfive.records import WorkFailed
from topfive.systems._torchrun import torchrun

_LONGEST = timedelta(days=7)
"""How long the fastest process waits for the slowest; torch's own limit of 30 minutes ends long predictions."""
_MOST_BYTES = 4_096


@dataclass(frozen=True)
class Together:
    """This process is number `rank` of `world`."""

    rank: int
    world: int

    @property
    def first(self) -> bool:
        """Whether this is the process that chooses, joins and reports."""
        return self.rank == 0

    def told(self, text: str) -> str:
        """What the first process says, its first 4,096 bytes; all must ask."""
        if self.world == 1:
            return text
        import torch
        from torch import distributed

        said = np.zeros(_MOST_BYTES, dtype=np.uint8)
        words = np.frombuffer(text.encode()[:_MOST_BYTES], dtype=np.uint8)
        said[: len(words)] = words
        tensor = torch.from_numpy(said)
        self.wait()
        distributed.broadcast(tensor, 0)
        return bytes(tensor.numpy()).rstrip(b"\0").decode(errors="ignore")

    def wait(self) -> None:
        """Until all have come here; raises WorkFailed where one has ended before."""
        if self.world > 1:
            from torch import distributed

            try:
                distributed.monitored_barrier(timeout=_LONGEST)
            except RuntimeError as error:
                reason = "another process has ended before its share was done; it says why"
                raise WorkFailed(f"process {self.rank} of {self.world}: {reason}") from error


def together() -> Together:
    """Meet the other processes; raises BadInput where torchrun's environment is not whole."""
    if torchrun()[2] == 1:
        return Together(0, 1)
    from topfive.systems.engine.processes import join

    met = join("cpu")
    return Together(met.rank, met.world)
