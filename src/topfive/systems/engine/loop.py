"""The training loop: plain PyTorch, chance a function of (seed, epoch, position), resumable at any update."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from topfive.loading import Pictures
from topfive.records import WorkFailed, digest_json, digest_parts
from topfive.systems._labels import labels_of
from topfive.systems._memory import keep_freed_memory
from topfive.systems.engine.chance import reseed, seeded
from topfive.systems.engine.checkpoints import newest_checkpoint, save_checkpoint
from topfive.systems.engine.distort import erase, jitter
from topfive.systems.engine.feed import Feed, Work
from topfive.systems.engine.fitted import head_name, slice_scores
from topfive.systems.engine.losses import loss_sum
from topfive.systems.engine.mixing import mix
from topfive.systems.engine.optimisers import optimiser, set_rate
from topfive.systems.engine.parallel import spread
from topfive.systems.engine.pixels import Store, colour_shift, floats, principal_colours
from topfive.systems.engine.processes import Processes, join
from topfive.systems.engine.schedules import learning_rate
from topfive.systems.engine.settings import Training
from topfive.systems.engine.state import State, Weights
from topfive.systems.system import FitLog

_SPIKE = 3.0
"""A loss this many times the usual one is a spike: it is told, and no checkpoint is written until it has passed."""
_SETTLED = 20
"""Updates before the usual loss is known."""
_PASSED = 200
"""Updates after which a spike that lasts is the usual loss."""


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

    The same seed gives the same weights on one machine's CPU with one number of processes and threads and one version
    of torch (on CUDA some of torch's kernels add in an order of their own). With `log.checkpoints` the state is kept
    now and then, and a second call goes on from there to the same weights. Under torchrun the processes share each
    batch. Raises WorkFailed naming the update where the loss or a weight is no finite number; the last checkpoint then
    holds the state before.
    """
    settings.check()
    keep_freed_memory()
    job = _Job(network, train, tune, settings, seed, log, join(device))
    job.run()
    weights = job.state.keep()
    job.processes.leave()
    return weights


def _deciding(settings: Training) -> dict[str, Any]:
    """The settings that decide the weights; how much is cached, how often the state is kept and where the first weights
    lay do not (those are in the state)."""
    return {k: v for k, v in asdict(settings).items() if k not in ("cache_mb", "checkpoint_minutes", "init")}


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
        processes: Processes,
    ) -> None:
        self.settings, self.seed, self.log, self.processes = settings, seed, log, processes
        self.device = processes.device
        self.labels = labels_of(train, "train")
        self.tune_labels = labels_of(tune, "tune") if len(tune) else np.empty(0, dtype=np.int64)
        self.ids, self.n_classes = train.ids, len(train.classes)
        store = Store(train, settings.train_view, settings.cache_mb, log.progress)
        self.tune_store = Store(tune, settings.view, settings.cache_mb)
        self.feed = Feed(store, settings, seed, processes)
        self.n_steps = self.feed.n_steps
        shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
        self.fit = digest_json(
            [_deciding(settings), seed, shapes, digest_parts(train.ids, self.labels, train.classes.digest)]
        )
        # FSDP cuts parameters along their memory and takes them in the plain order only.
        sharded = settings.parallel == "fsdp" and processes.world > 1
        layout = torch.contiguous_format if sharded else torch.channels_last
        self.network = network.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        if settings.freeze:
            network.requires_grad_(False).get_submodule(head_name(network)).requires_grad_(True)
        self.forward = spread(self.network, settings, processes)
        self.state = State(self.network, optimiser(self.network, settings, fused=not sharded), settings.average_decay)
        self.colours = principal_colours(store) if settings.colour_sigma else None
        # This process's losses of the epoch added up, and how many pictures they are of.
        self.loss, self.counted = 0.0, 0
        self.usual, self.settled, self.spiking, self.saved_at = 0.0, 0, 0, log.clock()

    def run(self) -> None:
        """All updates that are still to be done."""
        done, last = self._resume(), self.settings.epochs * self.n_steps
        # Closing: an exception leaves no thread behind that still cuts pictures.
        with seeded(self.seed, "training", device=self.device), closing(self.feed.work(done, last)) as feed:
            began, waited, seen = self.log.clock(), 0.0, 0
            for work, waiting in self._timed(feed):
                if work.step == done or work.step % self.n_steps == 0:
                    began, waited, seen = self.log.clock() - waiting, 0.0, 0
                    self._begin_epoch(work.step % self.n_steps == 0)
                rate = learning_rate(self.settings, work.step, self.n_steps)
                self._take(work, self._update(work, rate))
                waited, seen = waited + waiting, seen + work.whole
                self.log.progress("training", *self._progress(work), "images")
                if (work.step + 1) % self.n_steps == 0:
                    self._end_epoch(work, rate, (self.log.clock() - began, waited, seen))
                elif self._due():
                    self._save(work.step + 1)
        self.network.eval()

    def _timed(self, work: Iterator[Work]) -> Iterator[tuple[Work, float]]:
        """Each update's work with the seconds that it was waited for."""
        while True:
            began = self.log.clock()
            item = next(work, None)
            if item is None:
                return
            yield item, self.log.clock() - began

    def _progress(self, work: Work) -> tuple[int, int]:
        whole = len(self.ids)
        return work.epoch * whole + self.feed.bounds(work.step % self.n_steps)[1], self.settings.epochs * whole

    def _begin_epoch(self, anew: bool) -> None:
        if self.settings.freeze:
            self.network.eval()
        else:
            self.network.train()
        if anew:
            self.loss, self.counted = 0.0, 0

    def _end_epoch(self, work: Work, rate: float, spent: tuple[float, float, int]) -> None:
        """Tell what the epoch was like: `spent` are its seconds, those of waiting for pictures, and its pictures."""
        seconds, waited, seen = spent
        told = self.processes.total(torch.tensor([self.loss, float(self.counted)], device=self.device))
        loss = float(told[0]) / max(float(told[1]), 1.0)
        if not all(bool(torch.isfinite(p).all()) for p in self.network.parameters()):
            raise self._diverged("a weight is not finite", work)
        measured = {"epoch": work.epoch + 1, "step": work.step + 1, "loss": loss, "lr": rate}
        measured["images_per_s"] = seen / max(seconds, 1e-9)
        measured["waiting_share"] = waited / max(seconds, 1e-9)
        if len(self.tune_labels):
            measured["tune_error"] = self._tune_error()
        if self.processes.first:
            self.log.metrics(measured)
        if self._due():
            self._save(work.step + 1)

    def _update(self, work: Work, rate: float) -> float:
        """One step of the optimiser on one batch; the sum of this process's losses."""
        settings, mine = self.settings, self.processes.rank
        set_rate(self.state.optimiser, rate)
        reseed(self.seed, "step", work.step, *([mine] if mine else []), device=self.device)
        inputs, targets = self._inputs(work)
        self.state.optimiser.zero_grad(set_to_none=True)
        parts = np.array_split(np.arange(len(inputs)), min(settings.accumulate, len(inputs)))
        total = torch.zeros((), device=self.device)
        for i, rows in enumerate(parts):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            with self._waiting(last=i == len(parts) - 1):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
                    outputs = self.forward(inputs[part])
                loss = loss_sum(outputs, targets[part], settings)
                # Processes average their gradients: times their number it is the sum, over all pictures the mean.
                (loss * (self.processes.world / work.whole)).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if settings.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.state.optimiser.step()
        after: Callable[[], None] | None = getattr(self.network, "after_step", None)
        if after is not None:
            after()
        return float(total)

    def _waiting(self, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients of the parts of a batch meet those of other processes once, after the last part."""
        no_sync = getattr(self.forward, "no_sync", None)
        return nullcontext() if last or no_sync is None else cast(AbstractContextManager[Any], no_sync())

    def _inputs(self, work: Work) -> tuple[torch.Tensor, torch.Tensor]:
        """Float32 [n, 3, crop, crop] as the network sees them, with labels [n] or label shares [n, K]."""
        settings, device = self.settings, self.device
        strength = settings.strength(work.epoch)
        drawn: dict[str, Any] = {"seed": self.seed, "epoch": work.epoch, "positions": work.positions}
        colour = None
        if self.colours is not None:
            colour = colour_shift(self.colours, settings.colour_sigma, **drawn)
        spoil = (lambda pixels: jitter(pixels, settings.jitter, **drawn)) if settings.jitter else None
        inputs = floats(work.images, settings.view, device, colour, spoil)
        if settings.erasing:
            inputs = erase(inputs, settings.erasing, **drawn)
        targets = torch.from_numpy(self.labels[work.positions]).to(device)
        if strength * (settings.mixup + settings.cutmix) > 0:
            return mix(
                inputs, targets, self.n_classes, (settings.mixup * strength, settings.cutmix * strength), **drawn
            )
        return inputs, targets

    def _take(self, work: Work, loss: float) -> None:
        """Count the loss; a spike is told, a loss that is no number ends the fit."""
        mean = loss / max(1, len(work.positions))
        if not math.isfinite(mean):
            raise self._diverged(f"the loss is {mean}", work)
        self.loss, self.counted = self.loss + loss, self.counted + len(work.positions)
        self.state.move_average(work.step)
        high = self.settled >= _SETTLED and mean > _SPIKE * self.usual and mean > self.usual + 2.0
        spiking = self.spiking + 1 if high and self.spiking < _PASSED else 0
        if spiking and not self.spiking and self.processes.first:
            self.log.metrics({"step": work.step + 1, "spike": mean, "usual_loss": self.usual})
            warnings.warn(
                f"the loss rose from about {self.usual:.3g} to {mean:.3g} at update {work.step + 1}; "
                "lower lr or set clip_norm if it does not fall again",
                stacklevel=2,
            )
        self.spiking = spiking
        if not spiking:
            fresh = self.settled == 0 or high
            self.usual, self.settled = mean if fresh else 0.95 * self.usual + 0.05 * mean, self.settled + 1

    def _tune_error(self) -> float:
        """Top-1 error on the tune split, measured with the weights that would be kept; processes share the pictures."""
        self.network.eval()
        rows = np.arange(len(self.tune_labels))
        if self.settings.parallel == "ddp":  # under FSDP all of them must see as many
            rows = rows[self.processes.rank :: self.processes.world]
        wrong = 0
        with self.state.averaged() as network:
            images = self.tune_store.batches(rows, 64)
            for logits in slice_scores(network, images, self.settings.view, self.device):
                wrong += int((logits.argmax(axis=1) != self.tune_labels[rows[: len(logits)]]).sum())
                rows = rows[len(logits) :]
        if self.settings.parallel == "ddp":
            wrong = int(self.processes.total(torch.tensor(float(wrong), device=self.device)))
        return wrong / len(self.tune_labels)

    def _diverged(self, what: str, work: Work) -> WorkFailed:
        first = ", ".join(self.ids[i] for i in work.positions[:3])
        kept = "" if self.log.checkpoints is None else f" The last good state is in {self.log.checkpoints}."
        return WorkFailed(
            f"training stopped: {what} after step {work.step + 1} (epoch {work.epoch + 1}, lr "
            f"{learning_rate(self.settings, work.step, self.n_steps):.3g}, images {first}, ...). "
            f"Lower lr, or set clip_norm.{kept}"
        )

    def _due(self) -> bool:
        """Whether it is time for a checkpoint; the first process's clock decides."""
        if self.log.checkpoints is None:
            return False
        due = not self.spiking and self.log.clock() - self.saved_at >= 60.0 * self.settings.checkpoint_minutes
        # Only where processes hold parts of the tensors must all of them stop for it.
        return self.processes.agreed(due) if self.settings.parallel == "fsdp" else due and self.processes.first

    def _save(self, step: int) -> None:
        progress = torch.tensor([self.loss, self.counted, self.usual, self.settled], dtype=torch.float64)
        tensors = self.state.tensors() | {"progress.loss": progress}
        if self.processes.first and self.log.checkpoints is not None:
            if not all(bool(torch.isfinite(t).all()) for t in tensors.values()):
                return
            save_checkpoint(self.log.checkpoints, step, tensors, self.fit)
        self.saved_at = self.log.clock()

    def _resume(self) -> int:
        """Take up the newest checkpoint, if there is one; returns the number of updates done."""
        found = None if self.log.checkpoints is None else newest_checkpoint(self.log.checkpoints, self.fit)
        if found is None:
            return 0
        step, tensors = found
        loss, counted, self.usual, settled = tensors.pop("progress.loss").tolist()
        self.settled = int(settled)
        if self.processes.first:  # the other processes' losses so far were not kept; the mean is of those that were
            self.loss, self.counted = loss, int(counted)
        self.state.restore(tensors)
        return step
