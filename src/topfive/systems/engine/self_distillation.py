"""Self-distillation without labels: a student learns to say of one view what its own moving average says of another.

Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021 (DINO). Chance is a function of
(seed, epoch, position), and a fit goes on from its newest checkpoint, as in the supervised loop.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from topfive.loading import Pictures, order
from topfive.records import BadInput, View, WorkFailed, digest_json, digest_parts
from topfive.systems._memory import keep_freed_memory
from topfive.systems.engine.chance import reseed, seeded
from topfive.systems.engine.checkpoints import newest_checkpoint, save_checkpoint
from topfive.systems.engine.multicrop import Crops, Look, crops
from topfive.systems.engine.pixels import Store
from topfive.systems.system import FitLog

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class SelfDistillation:
    """The numbers of the self-supervised part, in the order in which they act.

    Two large crops (`global_px`) are seen by both networks, `n_local` small ones by the student alone; each is cut from
    a share of the picture's area. Schedules are cosines over all updates; shares of the run are in [0, 1).
    """

    view: View
    train_resize_px: int
    global_px: int
    local_px: int
    n_local: int = 8
    global_area: tuple[float, float] = (0.4, 1.0)
    local_area: tuple[float, float] = (0.05, 0.4)
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1)
    """Largest change of brightness, contrast, saturation and hue, for 80 % of crops."""
    grey: float = 0.2
    """Share of crops without colour."""
    blur_px: float = 2.0
    """Largest deviation of the blur."""
    solarise: float = 0.2
    """Share of second large crops whose light values are inverted."""

    epochs: int
    batch_size: int
    lr: float
    last_lr: float = 1e-6
    warmup: float = 0.1
    weight_decay: float = 0.04
    last_weight_decay: float = 0.4
    clip_norm: float = 3.0
    frozen: float = 0.01
    """Share of the run before the prototypes move."""
    hidden: int = 2048
    head_norm: bool = False
    """Batch normalisation in the projection, over the views of a batch."""
    bottleneck: int = 256
    prototypes: int = 65536
    unit_prototypes: bool = True
    """Prototypes keep length one; else their lengths are learnt."""
    student_temperature: float = 0.1
    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    """At the start, and after `teacher_warmup` of the run."""
    teacher_warmup: float = 0.3
    momentum: float = 0.996
    """Of the teacher's weights, rising to 1."""
    centre_momentum: float = 0.9
    cache_mb: int = 4096

    @property
    def train_view(self) -> View:
        """How pictures are kept before crops are cut from them."""
        return replace(self.view, resize_px=self.train_resize_px, crop_px=self.train_resize_px)

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be trained with."""
        self.view.check()
        fits = {
            "train_resize_px": self.train_resize_px >= 1,
            "global_px": self.global_px >= 1,
            "local_px": self.local_px >= 1,
            "n_local": self.n_local >= 0,
            "global_area": 0 < self.global_area[0] <= self.global_area[1] <= 1,
            "local_area": 0 < self.local_area[0] <= self.local_area[1] <= 1,
            "jitter": len(self.jitter) == 4 and 0 <= min(self.jitter) <= max(self.jitter) < 1,
            "grey": 0 <= self.grey <= 1,
            "blur_px": self.blur_px >= 0,
            "solarise": 0 <= self.solarise <= 1,
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "lr": self.lr > 0,
            "last_lr": 0 <= self.last_lr <= self.lr,
            "warmup": 0 <= self.warmup < 1,
            "weight_decay": self.weight_decay >= 0,
            "last_weight_decay": self.last_weight_decay >= 0,
            "clip_norm": self.clip_norm >= 0,
            "frozen": 0 <= self.frozen < 1,
            "prototypes": self.prototypes >= 2,
            "student_temperature": self.student_temperature > 0,
            "teacher_temperature": len(self.teacher_temperature) == 2 and min(self.teacher_temperature) > 0,
            "teacher_warmup": 0 <= self.teacher_warmup < 1,
            "momentum": 0 <= self.momentum <= 1,
            "centre_momentum": 0 <= self.centre_momentum <= 1,
        }
        for name, good in fits.items():
            if not good:
                raise BadInput(f"cannot train with {name} = {getattr(self, name)}", where="recipe", row=name)


class Projection(nn.Module):
    """Three layers to a unit vector, then its cosine with each prototype (times a learnt length, unless they are
    `unit`); the last layer is the paper's weight-normalised one."""

    def __init__(self, width: int, settings: SelfDistillation) -> None:
        super().__init__()
        hidden = settings.hidden
        layers: list[nn.Module] = []
        for inputs in (width, hidden):
            layers += [nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden) if settings.head_norm else nn.Identity()]
            layers.append(nn.GELU())
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, settings.bottleneck))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                # At 2,048 inputs this is the published 0.02.
                nn.init.trunc_normal_(layer.weight, std=0.02 * math.sqrt(2048 / layer.in_features))
                nn.init.zeros_(layer.bias)
        directions = torch.empty(settings.prototypes, settings.bottleneck)
        self.directions = nn.Parameter(nn.init.trunc_normal_(directions, std=0.02))
        self.lengths = None if settings.unit_prototypes else nn.Parameter(torch.ones(settings.prototypes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, width] to [n, prototypes]."""
        cosines = functional.normalize(self.layers(x), dim=1) @ functional.normalize(self.directions, dim=1).T
        return cosines if self.lengths is None else cosines * self.lengths


class Joined(nn.Module):
    """A backbone (`embed` gives [n, `width`]) and its projection: what student and teacher are."""

    def __init__(self, backbone: nn.Module, width: int, settings: SelfDistillation) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = Projection(width, settings)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pictures [n, 3, h, w] to scores [n, prototypes]."""
        return self.projection(self.backbone.embed(x))  # type: ignore[operator,no-any-return]


def cross_view_loss(said: list[torch.Tensor], taught: list[torch.Tensor], temperature: float) -> torch.Tensor:
    """Mean cross-entropy of the student's views with the teacher's probabilities, over all pairs of unlike views.

    `said` are logits [n, K], `taught` probabilities [n, K] of the first views of `said`.
    """
    terms = [
        -(target * functional.log_softmax(logits / temperature, dim=1)).sum(dim=1).mean()
        for i, target in enumerate(taught)
        for j, logits in enumerate(said)
        if i != j
    ]
    return torch.stack(terms).mean()


def _entropy(probabilities: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = torch.special.xlogy(probabilities, probabilities).sum(dim=-1)
    return -total


def cosine(first: float, last: float, done: float) -> float:
    """From `first` at 0 to `last` at 1 along half a cosine."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * min(max(done, 0.0), 1.0)))


def distil(
    backbone: nn.Module,
    width: int,
    train: Pictures,
    settings: SelfDistillation,
    *,
    seed: int,
    log: FitLog,
    device: str = "cpu",
) -> None:
    """Train the backbone on the pictures of `train` and leave the teacher's weights in it; no label is read.

    The same seed gives the same weights on one machine with one number of threads and one version of torch. Raises
    WorkFailed naming the step where the loss is no finite number.
    """
    settings.check()
    keep_freed_memory()
    with seeded(seed, "projection"):
        student = Joined(backbone, width, settings)
    _Job(student, train, settings, seed, log, torch.device(device)).run()


class _Job:
    """One fit in progress: student, teacher, centre, optimiser and pictures."""

    def __init__(
        self,
        student: Joined,
        train: Pictures,
        settings: SelfDistillation,
        seed: int,
        log: FitLog,
        device: torch.device,
    ) -> None:
        if len(train) < 2:
            raise BadInput("has no images to learn from", where="train")
        self.settings, self.seed, self.log, self.device, self.ids = settings, seed, log, device, train.ids
        self.store = Store(train, settings.train_view, settings.cache_mb, log.progress)
        self.student = student.to(device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.teacher.backbone.eval()
        self.centre = torch.zeros(settings.prototypes, device=device)
        parameters = [p for p in self.student.parameters() if p.requires_grad]
        groups = [[p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]]
        self.optimiser = torch.optim.AdamW([{"params": group} for group in groups], lr=settings.lr, fused=True)
        self.n_steps = math.ceil(len(train) / settings.batch_size)
        self.batch_size = math.ceil(len(train) / self.n_steps)
        self.total = self.n_steps * settings.epochs
        shapes = {name: list(tensor.shape) for name, tensor in self.student.state_dict().items()}
        self.fit = digest_json(["self-distillation", asdict(settings), seed, shapes, digest_parts(train.ids)])
        # Blur, grey and solarising differ by view, so that no two views can be told alike by their making.
        look = Look(settings.jitter, settings.grey, settings.blur_px)
        large = Crops(settings.global_px, settings.global_area, replace(look, blur_share=1.0))
        second = replace(large, look=replace(look, blur_share=0.1, solarise=settings.solarise))
        small = Crops(settings.local_px, settings.local_area, replace(look, blur_share=0.5))
        self.views = [large, second, *[small] * settings.n_local]

    def run(self) -> None:
        """All epochs that are still to be done; the backbone then holds the teacher's weights."""
        first = self._resume()
        with seeded(self.seed, "self-distillation", device=self.device):
            for epoch in range(first, self.settings.epochs):
                began = self.log.clock()
                measured = {"epoch": epoch + 1} | self._epoch(epoch)
                measured["images_per_s"] = len(self.ids) / max(self.log.clock() - began, 1e-9)
                self.log.metrics(measured)
                if self.log.checkpoints is not None:
                    save_checkpoint(self.log.checkpoints, epoch + 1, self._state(), self.fit)
        self.student.backbone.load_state_dict(self.teacher.backbone.state_dict())
        self.student.backbone.eval()

    def _epoch(self, epoch: int) -> dict[str, float]:
        """One pass over the pictures: mean loss, last rate, and what the teacher says.

        `spread` is the perplexity of its mean answer, `doubt` that of a single one: collapse is a spread of 1, or
        a doubt of all prototypes.
        """
        self.student.train()
        total, doubt, rate = 0.0, 0.0, 0.0
        used = torch.zeros_like(self.centre)
        for step, (positions, images) in enumerate(self._batches(epoch), start=epoch * self.n_steps):
            rate = self._schedule(step)
            reseed(self.seed, "step", step, device=self.device)
            seen = torch.from_numpy(images).to(self.device)
            views = [
                crops(seen, kind, self.settings.view, f"view {i}", self.seed, epoch, positions)
                for i, kind in enumerate(self.views)
            ]
            loss, taught = self._update(views, step)
            if not math.isfinite(loss):
                raise WorkFailed(
                    f"self-distillation stopped: the loss is {loss} after step {step + 1} (epoch {epoch + 1}, lr "
                    f"{rate:.3g}). Lower lr, or set clip_norm"
                )
            used += taught.mean(dim=0)
            doubt += float(_entropy(taught).mean())
            total += loss * len(positions)
            done = epoch * len(self.ids) + min(len(self.ids), (step % self.n_steps + 1) * self.batch_size)
            self.log.progress("self-distillation", done, self.settings.epochs * len(self.ids), "images")
        spread = float(_entropy(used / self.n_steps))
        return {
            "loss": total / len(self.ids),
            "lr": rate,
            "spread": math.exp(spread),
            "doubt": math.exp(doubt / self.n_steps),
        }

    def _batches(self, epoch: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        positions = order(len(self.ids), self.seed, epoch)
        for i, images in enumerate(self.store.batches(positions, self.batch_size)):
            yield positions[i * self.batch_size : i * self.batch_size + len(images)], images

    def _schedule(self, step: int) -> float:
        """Set rate and weight decay of this update; returns the rate."""
        settings, done = self.settings, step / self.total
        if done < settings.warmup:
            rate = settings.lr * (step + 1) / (settings.warmup * self.total + 1)
        else:
            rate = cosine(settings.lr, settings.last_lr, (done - settings.warmup) / (1.0 - settings.warmup))
        decay = cosine(settings.weight_decay, settings.last_weight_decay, done)
        for group, weight_decay in zip(self.optimiser.param_groups, (decay, 0.0), strict=True):
            group["lr"], group["weight_decay"] = rate, weight_decay
        return rate

    def _update(self, views: list[torch.Tensor], step: int) -> tuple[float, torch.Tensor]:
        """One update of student, teacher and centre: the loss, and the teacher's answers [2 n, prototypes]."""
        settings, done = self.settings, step / self.total
        large, small = torch.cat(views[:2]), views[2:]
        with torch.no_grad():
            scores = self.teacher(large)
            first, last = settings.teacher_temperature
            temperature = first + (last - first) * min(1.0, done / max(settings.teacher_warmup, 1e-9))
            taught = functional.softmax((scores - self.centre) / temperature, dim=1)
        said = list(self.student(large).chunk(2))
        if small:
            said += self.student(torch.cat(small)).chunk(len(small))
        loss = cross_view_loss(said, list(taught.chunk(2)), settings.student_temperature)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if done < settings.frozen:
            self.student.projection.directions.grad = None
            if self.student.projection.lengths is not None:
                self.student.projection.lengths.grad = None
        if settings.clip_norm:
            nn.utils.clip_grad_norm_(self.student.parameters(), settings.clip_norm)
        self.optimiser.step()
        with torch.no_grad():
            self.centre.lerp_(scores.mean(dim=0), 1.0 - settings.centre_momentum)
            follow = 1.0 - cosine(settings.momentum, 1.0, done)
            torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), follow)
        return float(loss.detach()), taught

    def _state(self) -> Weights:
        """Everything that the next epoch depends on."""
        tensors = {"centre.centre": self.centre}
        tensors |= {f"student.{name}": tensor for name, tensor in self.student.state_dict().items()}
        tensors |= {f"teacher.{name}": tensor for name, tensor in self.teacher.state_dict().items()}
        for i, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{name}": tensor for name, tensor in values.items()}
        return tensors

    def _resume(self) -> int:
        """Take up the newest checkpoint, if there is one; returns the number of epochs done."""
        found = None if self.log.checkpoints is None else newest_checkpoint(self.log.checkpoints, self.fit)
        if found is None:
            return 0
        epoch, tensors = found
        moments: dict[int, Weights] = {}
        parts: dict[str, Weights] = {"centre": {}, "student": {}, "teacher": {}}
        for key, tensor in tensors.items():
            kind, name = key.split(".", 1)
            if kind == "optimiser":
                place, name = name.split(".", 1)
                moments.setdefault(int(place), {})[name] = tensor
            else:
                parts[kind][name] = tensor
        self.centre.copy_(parts["centre"]["centre"])
        self.student.load_state_dict(parts["student"])
        self.teacher.load_state_dict(parts["teacher"])
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        return epoch
