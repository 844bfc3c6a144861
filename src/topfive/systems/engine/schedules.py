"""The learning rate as a pure function of the step, so that a resumed run goes on exactly where it stopped."""

from __future__ import annotations

import math

from topfive.systems.engine.settings import Training


def learning_rate(settings: Training, step: int, steps_per_epoch: int) -> float:
    """The rate of the step-th update (from 0) of `epochs * steps_per_epoch`.

    `linear` with warm-up is the triangle of one-cycle training; the last update has a rate above zero.
    """
    total = settings.epochs * steps_per_epoch
    warmup = round(settings.warmup * total)
    if step < warmup:
        return settings.lr * (step + 1) / (warmup + 1)
    if settings.schedule == "step":
        return settings.lr * 0.1 ** sum(step >= round(drop * total) for drop in settings.drops)
    if settings.schedule == "exponential":
        passed = int(step / steps_per_epoch // settings.rate_epochs)
        return settings.lr * float(settings.rate_factor**passed)
    done = (step - warmup) / (total - warmup)
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1.0 + math.cos(math.pi * done))
    return settings.lr * (1.0 - done)
