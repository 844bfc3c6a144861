"""The training loop: plain PyTorch, chance a function of (seed, epoch, position), resumable at any epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures, crop_flip, draws, order
from topfive.records import WorkFailed, digest_json, digest_parts
from topfive.systems._labels import labels_of
from topfive.systems._memory import keep_freed_memory
from topfive.systems.engine.chance import reseed, seeded
from topfive.systems.engine.checkpoints import newest_checkpoint, save_checkpoint
from topfive.systems.engine.fitted import slice_scores
from topfive.systems.engine.optimisers import optimiser, set_rate
from topfive.systems.engine.pixels import Store, colour_shift, floats, principal_colours, zoomed
from topfive.systems.engine.schedules import learning_rate
from topfive.systems.engine.settings import Training
from topfive.systems.system import FitLog

Weights = dict[str, torch.Tensor]


def train(
    network: nn.Module,
    train: Pictures,
    tune: Pictures,
    settings: Training,
    *,
    seed: int,
    log: FitLog,
    device: str = "cpu",
) -> Weights:
    """Train the network and return its weights (also left in it); `tune` is only measured, it chooses nothing.

    The same seed gives the same weights on one machine with one number of threads and one version of torch. With
    `log.checkpoints` the state is kept after each epoch, and a second call goes on from there to the same weights.
    Raises WorkFailed naming the step where the loss or a weight is no finite number.
    """
    settings.check()
    keep_freed_memory()
    job = _Job(network, train, tune, settings, seed, log, torch.device(device))
    job.run()
    return {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}


class _Job:
    """One fit in progress: the network, its optimiser, its averaged weights, and the pictures."""

    def __init__(
        self,
        network: nn.Module,
        train: Pictures,
        tune: Pictures,
        settings: Training,
        seed: int,
        log: FitLog,
        device: torch.device,
    ) -> None:
        self.settings, self.seed, self.log, self.device = settings, seed, log, device
        self.labels = labels_of(train, "train")
        self.tune_labels = labels_of(tune, "tune") if len(tune) else np.empty(0, dtype=np.int64)
        self.ids = train.ids
        self.store = Store(train, settings.train_view, settings.cache_mb, log.progress)
        self.tune_store = Store(tune, settings.view, settings.cache_mb)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = optimiser(self.network, settings)
        self.average = {k: v.clone() for k, v in network.state_dict().items()} if settings.average_decay else {}
        self.colours = principal_colours(self.store) if settings.colour_sigma else None
        # Batches of nearly equal size, each picture once an epoch: a last batch of one would break batch normalisation.
        self.n_steps = math.ceil(len(train) / settings.batch_size)
        self.batch_size = math.ceil(len(train) / self.n_steps)
        shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
        self.fit = digest_json(
            [asdict(settings), seed, shapes, digest_parts(train.ids, self.labels, train.classes.digest)]
        )

    def run(self) -> None:
        """All epochs that are still to be done."""
        first = self._resume()
        with seeded(self.seed, "training", device=self.device):
            for epoch in range(first, self.settings.epochs):
                began = self.log.clock()
                loss, rate = self._epoch(epoch)
                seconds = self.log.clock() - began
                measured = {"epoch": epoch + 1, "loss": loss, "lr": rate}
                measured["images_per_s"] = len(self.ids) / max(seconds, 1e-9)
                if len(self.tune_labels):
                    measured["tune_error"] = self._tune_error()
                self.log.metrics(measured)
                if self.log.checkpoints is not None:
                    save_checkpoint(self.log.checkpoints, epoch + 1, self._state(), self.fit)
        if self.average:
            self.network.load_state_dict(self.average)
        self.network.eval()

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """Mean loss of one pass over the pictures, and the rate of its last update."""
        self.network.train()
        total, rate = 0.0, 0.0
        for step, (positions, images) in enumerate(self._batches(epoch), start=epoch * self.n_steps):
            rate = learning_rate(self.settings, step, self.n_steps)
            set_rate(self.optimiser, rate)
            reseed(self.seed, "step", step, device=self.device)
            inputs = self._inputs(images, epoch, positions)
            loss = self._update(inputs, torch.from_numpy(self.labels[positions]).to(self.device))
            if not math.isfinite(loss):
                raise self._diverged(f"the loss is {loss}", step, epoch, positions)
            self._move_average(step)
            total += loss * len(positions)
            done = epoch * len(self.ids) + min(len(self.ids), (step % self.n_steps + 1) * self.batch_size)
            self.log.progress("training", done, self.settings.epochs * len(self.ids), "images")
        if not all(bool(torch.isfinite(p).all()) for p in self.network.parameters()):
            raise self._diverged("a weight is not finite", (epoch + 1) * self.n_steps - 1, epoch, positions)
        return total / len(self.ids), rate

    def _batches(self, epoch: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        positions = order(len(self.ids), self.seed, epoch)
        for i, images in enumerate(self.store.batches(positions, self.batch_size)):
            yield positions[i * self.batch_size : i * self.batch_size + len(images)], images

    def _inputs(self, images: NDArray[np.uint8], epoch: int, positions: NDArray[np.int64]) -> torch.Tensor:
        """Crop, mirror, shift the colour and zoom: float32 [n, 3, crop, crop]."""
        settings = self.settings
        crop = settings.train_crop_px
        if settings.smallest_scale < 1:
            share = float(draws("scale", self.seed, epoch, positions[:1])[0]) / 2.0**64
            crop = min(settings.train_resize_px, round(crop / (1.0 - share * (1.0 - settings.smallest_scale))))
        cut = crop_flip(images, crop, seed=self.seed, epoch=epoch, positions=positions)
        colour = None
        if self.colours is not None:
            colour = colour_shift(self.colours, settings.colour_sigma, seed=self.seed, epoch=epoch, positions=positions)
        return zoomed(floats(cut, settings.view, self.device, colour), settings.train_crop_px)

    def _update(self, inputs: torch.Tensor, labels: torch.Tensor) -> float:
        settings = self.settings
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            logits = self.network(inputs)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def _move_average(self, step: int) -> None:
        # A young average follows fast, else the first weights would weigh in it for 1 / (1 - decay) steps.
        decay = min(self.settings.average_decay, (1 + step) / (10 + step))
        for name, tensor in self.network.state_dict().items() if self.average else ():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1.0 - decay)
            else:
                self.average[name].copy_(tensor)

    def _tune_error(self) -> float:
        """Top-1 error on the tune split, measured with the weights that would be kept."""
        self.network.eval()
        forward: Callable[[torch.Tensor], torch.Tensor] = self.network
        if self.average:
            forward = lambda x: torch.func.functional_call(self.network, self.average, (x,))  # noqa: E731
        images = self.tune_store.batches(np.arange(len(self.tune_labels)), 64)
        logits = np.concatenate(list(slice_scores(forward, images, self.settings.view, self.device)))
        return float(np.mean(logits.argmax(axis=1) != self.tune_labels))

    def _diverged(self, what: str, step: int, epoch: int, positions: NDArray[np.int64]) -> WorkFailed:
        first = ", ".join(self.ids[i] for i in positions[:3])
        return WorkFailed(
            f"training stopped: {what} after step {step + 1} (epoch {epoch + 1}, lr "
            f"{learning_rate(self.settings, step, self.n_steps):.3g}, images {first}, ...). Lower lr, or set clip_norm"
        )

    def _state(self) -> Weights:
        """Everything that the next epoch depends on; chance needs no state, it is derived from the seed."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.items()}
        for i, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{name}": tensor for name, tensor in values.items() if tensor is not None}
        return tensors

    @torch.no_grad()
    def _resume(self) -> int:
        """Take up the newest checkpoint, if there is one; returns the number of epochs done."""
        found = None if self.log.checkpoints is None else newest_checkpoint(self.log.checkpoints, self.fit)
        if found is None:
            return 0
        epoch, tensors = found
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        moments: dict[int, Weights] = {}
        network: Weights = {}
        for key, tensor in tensors.items():
            kind, name = key.split(".", 1)
            if kind == "network":
                network[name] = tensor
            elif kind == "average":
                self.average[name].copy_(tensor)
            else:
                place, name = name.split(".", 1)
                # Moments must lie in memory as their parameter does (channels last): the fused update walks both.
                like = parameters[int(place)]
                moved = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
                moments.setdefault(int(place), {})[name] = moved
        self.network.load_state_dict(network)
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        return epoch
