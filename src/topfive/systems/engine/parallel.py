"""The network as the loop calls it: alone, compiled, its gradients averaged over processes, or spread in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn

from topfive.records import BadInput
from topfive.systems.engine.processes import Processes
from topfive.systems.engine.settings import Training

_OWN_PART = 1_000_000
"""Children of at least this many parameters are gathered one at a time under FSDP; smaller ones with the rest."""


def spread(network: nn.Module, settings: Training, processes: Processes) -> Callable[[torch.Tensor], Any]:
    """A function from inputs to outputs whose gradients reach `network`, in place where parameters are spread."""
    forward: Callable[[torch.Tensor], Any] = network
    if processes.world > 1:
        if settings.sync_norm:
            if processes.device.type != "cuda":
                raise BadInput("works on CUDA devices only", where="recipe", row="sync_norm", fix="Leave it false")
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        if settings.parallel == "fsdp":
            _shard(network, processes)
        else:
            places = [processes.device.index] if processes.device.type == "cuda" else None
            forward = nn.parallel.DistributedDataParallel(network, device_ids=places)
    if settings.compile:
        forward = cast(Callable[[torch.Tensor], Any], torch.compile(forward))
    return forward


def _shard(network: nn.Module, processes: Processes) -> None:
    """FSDP2: every process holds a part of each parameter, and gathers a layer when it needs it."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(processes.device.type, (processes.world,))
    for child in network.children():
        if sum(p.numel() for p in child.parameters()) >= _OWN_PART:
            fully_shard(child, mesh=mesh)
    fully_shard(network, mesh=mesh)
