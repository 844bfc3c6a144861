"""Channels that several processes hold in parts: what they exchange, forwards and backwards; it knows no landmark."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


def gathered(part: torch.Tensor, sizes: tuple[int, ...], *, alike: bool = False) -> torch.Tensor:
    """All channels [n, sum of sizes, ...] from this process's [n, sizes[rank], ...], in the order of ranks.

    Each process computes other things from them, so a part's gradient is the sum of what all processes send back.
    With `alike` all compute the same (the loss of the same logits), and each one's own gradient is the whole.
    All processes must call it in the same order.
    """
    return _Gathered.apply(part, sizes, alike)  # type: ignore[no-any-return]


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: torch.Tensor, sizes: tuple[int, ...], alike: bool) -> torch.Tensor:
        rank = distributed.get_rank()
        ctx.alike, ctx.start, ctx.n = alike, sum(sizes[:rank]), sizes[rank]
        pieces = []
        # Broadcasts instead of one all-gather, which wants parts of one size: 1,001 classes are 501 and 500.
        for owner, n in enumerate(sizes):
            piece = part.contiguous() if owner == rank else part.new_empty(part.shape[0], n, *part.shape[2:])
            distributed.broadcast(piece, src=owner)
            pieces.append(piece)
        return torch.cat(pieces, dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        if not ctx.alike:
            gradient = gradient.clone(memory_format=torch.contiguous_format)
            distributed.all_reduce(gradient)
        return gradient[:, ctx.start : ctx.start + ctx.n], None, None
