"""The processes that train one network together, as `torchrun` starts them; one process is the plain case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from topfive.systems._torchrun import torchrun


@dataclass(frozen=True)
class Processes:
    """This process is number `rank` of `world`, and works on `device`."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def share(self, n: int) -> slice:
        """Which of a batch of n pictures are this process's: neighbouring pairs stay together (see `mixing`)."""
        pairs = (n + 1) // 2
        return slice(2 * (self.rank * pairs // self.world), min(n, 2 * ((self.rank + 1) * pairs // self.world)))

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.world > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value

    def agreed(self, said: bool) -> bool:
        """What the first process says."""
        if self.world == 1:
            return said
        flag = torch.tensor([float(said)], device=self.device)
        distributed.broadcast(flag, 0)
        return bool(flag.item())

    def leave(self) -> None:
        """Part, all together: a process that is gone while another still speaks to it takes that one down."""
        if self.world > 1:
            distributed.barrier()
            distributed.destroy_process_group()


def join(device: str) -> Processes:
    """Meet the other processes that torchrun has started; raises BadInput where its environment is not whole."""
    _, local, world = torchrun()
    if world == 1:
        return Processes(0, 1, torch.device(device))
    place = torch.device(device, local) if device == "cuda" else torch.device(device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size(), place)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The full tensor where processes hold parts of it (all of them must ask), else the tensor."""
    gather: Any = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def like(tensor: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """The values laid out as `model` is: on its device, in its memory order, in its parts."""
    mesh: Any = getattr(model, "device_mesh", None)
    if mesh is not None:
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(tensor.to(mesh.device_type), mesh, getattr(model, "placements"))  # noqa: B009
    return torch.empty_like(model, dtype=tensor.dtype).copy_(tensor)
