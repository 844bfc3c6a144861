"""The state of a fit between two updates: weights, their average, the optimiser's moments; to tensors and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from topfive.systems.engine.processes import like, whole

Weights = dict[str, torch.Tensor]


class State:
    """Everything that the next update depends on; chance needs no state, it is derived from the seed."""

    def __init__(self, network: nn.Module, optimiser: torch.optim.Optimizer, average_decay: float) -> None:
        self.network, self.optimiser, self.average_decay = network, optimiser, average_decay
        self.average: Weights = {}
        if average_decay:
            self.average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def move_average(self, step: int) -> None:
        """Follow the weights after update `step`."""
        # A young average follows fast, else the first weights would weigh in it for 1 / (1 - decay) updates.
        decay = min(self.average_decay, (1 + step) / (10 + step))
        for name, tensor in self.network.state_dict().items() if self.average else ():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1.0 - decay)
            else:
                self.average[name].copy_(tensor)

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network with the weights that would be kept, for the time of the block."""
        held = {name: tensor.clone() for name, tensor in self.network.state_dict().items()} if self.average else {}
        _fill(self.network, self.average)
        try:
            yield self.network
        finally:
            _fill(self.network, held)

    def keep(self) -> Weights:
        """Leave the weights to keep in the network, and return them whole, on the CPU."""
        _fill(self.network, self.average)
        return {name: whole(tensor.detach()).cpu() for name, tensor in self.network.state_dict().items()}

    def tensors(self) -> Weights:
        """Whole tensors by name; where processes hold parts, all of them must ask."""
        found = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        found |= {f"average.{name}": tensor for name, tensor in self.average.items()}
        kept = self.optimiser.state_dict()
        for i, values in kept["state"].items():
            found |= {
                f"moment.{i}.{name}": torch.as_tensor(value) for name, value in values.items() if value is not None
            }
        # LAMB counts its updates once a group, not once a parameter.
        for i, group in enumerate(kept["param_groups"]):
            if "step" in group:
                found[f"group.{i}"] = torch.as_tensor(group["step"])
        return {name: whole(tensor.detach()) for name, tensor in found.items()}

    @torch.no_grad()
    def restore(self, tensors: Weights) -> None:
        """Take up what `tensors` gave."""
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        kept = self.optimiser.state_dict()
        moments: dict[int, Weights] = {}
        network: Weights = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            if kind == "network":
                network[name] = tensor
            elif kind == "average":
                self.average[name].copy_(like(tensor, self.average[name]))
            elif kind == "group":
                kept["param_groups"][int(name)]["step"] = int(tensor)
            elif kind == "moment":
                place, _, name = name.partition(".")
                # Moments must lie in memory as their parameter does (channels last): the fused update walks both.
                parameter = parameters[int(place)]
                moved = like(tensor, parameter.detach()) if tensor.shape == parameter.shape else tensor
                moments.setdefault(int(place), {})[name] = moved
        _fill(self.network, network)
        self.optimiser.load_state_dict(kept | {"state": moments})


@torch.no_grad()
def _fill(network: nn.Module, tensors: Weights) -> None:
    if tensors:
        for name, own in network.state_dict().items():
            own.copy_(tensors[name] if hasattr(tensors[name], "device_mesh") else like(tensors[name], own))
