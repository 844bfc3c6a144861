"""Pillow's resize, bit for bit, of any part of a picture and without its lock: two passes in fixed point.

Each output pixel is a weighted sum of neighbours along a row, then along a column, in 22-bit fixed point and rounded to
8 bits after each pass. Pixels lie as RGBX, 4 bytes each, so that four neighbours are one 16-byte load. numba does not
join four channels to a vector by itself; the instructions of LLVM in `_weighed` do: 500 x 375 to a crop of 224 takes
0.16 ms where Pillow takes 1.6. Importing this imports numba (0.3 s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from topfive.loading.canvas import Canvas

_BITS = 22
"""Fraction bits of a weight: 8 bits of pixel and 2 of overshoot fill 32 (Pillow's PRECISION_BITS)."""
_REACH = {"bilinear": 1, "bicubic": 2, "lanczos": 3}
"""How far a filter reaches, in output pixels; it also says which filter it is."""


def _compiled(function: Any) -> Any:
    return njit(nogil=True, cache=True)(function)


def _instructions(function: Any) -> Any:
    return intrinsic(function)


@dataclass(frozen=True)
class Side:
    """One side of a resize: pixels `low` .. `high` become `out` pixels, of which `n` from `first` on are wanted."""

    low: float
    high: float
    out: int
    first: int
    n: int


def reads(side: Side, size: int, interpolation: str) -> tuple[int, int]:
    """First and end of the pixels, of `size` there are, that `resample` may read for a side, and a pixel more."""
    low, step = _box(side)
    support = _REACH[interpolation] * max(step, 1.0)
    first = low + (side.first + 0.5) * step - support
    end = low + (side.first + side.n - 0.5) * step + support
    return max(int(first) - 1, 0), min(int(end) + 2, size)


def resample(
    canvas: Canvas, columns: Side, rows: Side, interpolation: str, out: NDArray[np.uint8], *, mirrored: bool = False
) -> None:
    """The wanted part of the canvas's picture, resized, into `out`, contiguous uint8 [rows.n, columns.n, 3].

    As `Image.resize((columns.out, rows.out), box=(columns.low, rows.low, columns.high, rows.high))`, cropped.
    """
    reach = _REACH[interpolation]
    width, height = canvas.width, canvas.height
    across, down = (
        _weights(size, *_box(side), side.first, side.n, reach, turned)
        for side, size, turned in ((columns, width, mirrored), (rows, height, False))
    )
    # Pillow 13 takes the rows first where the height shrinks by more than twice as much as the width; it rounds between
    # the passes, so the order changes pixels (on noise 9 % of them by more than one level).
    rows_first = height - rows.out > max(0, 2 * (width - columns.out))
    row = 3 * columns.n + 4
    spare = canvas.between((4 * width + row) * rows.n if rows_first else row * height)
    flat = out.reshape(rows.n, 3 * columns.n)
    (_rows_then_columns if rows_first else _columns_then_rows)(canvas.pixels, width, height, across, down, spare, flat)


def lay(pixels: NDArray[np.uint8], canvas: Canvas) -> None:
    """RGB pixels uint8 [h, w, 3] onto the canvas; NumPy copies three bytes of four ten times slower."""
    _spread(np.ascontiguousarray(pixels), canvas.sized(pixels.shape[1], pixels.shape[0]))


def _box(side: Side) -> tuple[float, float]:
    """Beginning and step of a side as Pillow has them: its boxes are of single precision."""
    low, high = np.float32(side.low), np.float32(side.high)
    return float(low), float(high - low) / side.out


@_compiled
def _spread(pixels: Any, out: Any) -> None:
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = pixels[y, x, 0], pixels[y, x, 1], pixels[y, x, 2]


@_compiled
def _filter(reach: int, x: float) -> float:
    """The filter's height at x, of distance 1 a pixel."""
    x = abs(x)
    if reach == 1:
        return max(0.0, 1.0 - x)
    if reach == 2:  # Keys with a = -0.5
        if x < 1.0:
            return (1.5 * x - 2.5) * x * x + 1.0
        return (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5 if x < 2.0 else 0.0
    if x >= 3.0:
        return 0.0
    if x == 0.0:
        return 1.0
    turn, slow = x * np.pi, x / 3.0 * np.pi
    return float(np.sin(turn) / turn * (np.sin(slow) / slow))


@_compiled
def _weights(
    size: int, low: float, step: float, first: int, n: int, reach: int, mirrored: bool
) -> tuple[Any, Any, Any]:
    """Of each output pixel its first neighbour, their number and their weights, int32 [n], [n] and [n, 4 m]."""
    stretch = max(step, 1.0)
    support = reach * stretch
    starts, counts = np.zeros(n, np.int32), np.zeros(n, np.int32)
    table = np.zeros((n, (int(np.ceil(support)) * 2 + 4) // 4 * 4), np.int32)
    for i in range(n):
        centre = low + (first + i + 0.5) * step
        start = max(int(centre - support + 0.5), 0)
        count = min(int(centre + support + 0.5), size) - start
        total = 0.0
        for j in range(count):
            total += _filter(reach, (start + j - centre + 0.5) * (1.0 / stretch))
        place = n - 1 - i if mirrored else i
        starts[place], counts[place] = start, count
        for j in range(count):
            weight = _filter(reach, (start + j - centre + 0.5) * (1.0 / stretch))
            if total != 0.0:
                weight /= total
            table[place, j] = int(weight * (1 << 22) + (0.5 if weight >= 0 else -0.5))
    return starts, counts, table


@_instructions
def _weighed(context: Any, pixels: Any, at: Any, weights: Any, row: Any, out: Any, to: Any) -> Any:
    """Rounded sums of RGBX pixels times weights in four rows at once, each to four bytes of `out`.

    `at` and `to` are the first row's byte and the step to the next row; `row` is the first weight and their number n.
    Reads pixels in fours, so up to 3 beyond the n, whose weights are 0.
    """
    del context
    return types.void(pixels, at, weights, row, out, to), _weighed_code


def _weighed_code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    word, count = ir.IntType(32), ir.IntType(64)
    bytes_, four, sixteen = (ir.VectorType(kind, n) for kind, n in ((ir.IntType(8), 16), (word, 4), (word, 16)))
    pixels, weights, out = (
        context.make_array(signature.args[place])(context, builder, given[place]).data for place in (0, 2, 4)
    )
    first, step, weight, n, to, to_step = (
        builder.extract_value(given[place], i) for place in (1, 3, 5) for i in (0, 1)
    )

    def constant(value: int) -> Any:
        return ir.Constant(sixteen, [value] * 16)

    def picked(one: Any, other: Any, lanes: list[int]) -> Any:
        return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(word, len(lanes)), lanes))

    def paired(one: Any, other: Any, groups: tuple[int, ...], beyond: int) -> Any:
        """Groups of four lanes of both vectors, each plus the group so far beyond it."""
        lanes = [4 * group + i for group in groups for i in range(4)]
        return builder.add(picked(one, other, lanes), picked(one, other, [lane + 4 * beyond for lane in lanes]))

    totals = [cgutils.alloca_once_value(builder, constant(0)) for _ in range(4)]
    with cgutils.for_range_slice(builder, ir.Constant(count, 0), n, ir.Constant(count, 4), intp=count) as (k, _):
        place = builder.gep(weights, [builder.add(weight, k)])
        four_weights = builder.load(builder.bitcast(place, four.as_pointer()), align=4)
        spread = picked(four_weights, four_weights, [i // 4 for i in range(16)])
        place = builder.add(first, builder.mul(k, ir.Constant(count, 4)))
        for total in totals:
            source = builder.bitcast(builder.gep(pixels, [place]), bytes_.as_pointer())
            four_pixels = builder.zext(builder.load(source, align=1), sixteen)
            builder.store(builder.add(builder.load(total), builder.mul(four_pixels, spread)), total)
            place = builder.add(place, step)
    a, b, c, d = (builder.load(total) for total in totals)
    lanes = paired(paired(a, b, (0, 1, 4, 5), 2), paired(c, d, (0, 1, 4, 5), 2), (0, 2, 4, 6), 1)
    lanes = builder.ashr(builder.add(lanes, constant(1 << (_BITS - 1))), constant(_BITS))
    lanes = builder.select(builder.icmp_signed("<", lanes, constant(0)), constant(0), lanes)
    lanes = builder.select(builder.icmp_signed(">", lanes, constant(255)), constant(255), lanes)
    found = builder.bitcast(builder.trunc(lanes, bytes_), four)
    for i in range(4):
        target = builder.bitcast(builder.gep(out, [to]), word.as_pointer())
        builder.store(builder.extract_element(found, ir.Constant(word, i)), target, align=1)
        to = builder.add(to, to_step)
    return context.get_dummy_value()


@_compiled
def _across(pixels: Any, at: int, stride: int, side: Any, rows: int, out: Any) -> int:
    """Each row of RGBX pixels, the first at byte `at`, to RGB in a row of `out`; the bytes from row to row.

    A pixel is written as four bytes, the last of which the next pixel covers: so a row has four bytes to spare.
    """
    starts, counts, table = side
    weights, m = table.reshape(-1), 3 * len(starts) + 4
    y = 0
    while y < rows:
        together = rows - y >= 4
        step, to_step = (stride, m) if together else (0, 0)  # a last row alone four times: as one row
        for x in range(len(starts)):
            first = (at + y * stride + 4 * starts[x], step)
            _weighed(pixels, first, weights, (x * table.shape[1], np.int64(counts[x])), out, (y * m + 3 * x, to_step))
        y += 4 if together else 1
    return m


@_compiled
def _down(pixels: Any, at: int, stride: int, last: int, side: Any, out: Any) -> None:
    """Weighted sums of rows to `out` uint8 [n, m]: row 0 begins at byte `at`, row `last` is the last there is."""
    starts, counts, table = side
    m = out.shape[1]
    total = np.empty(m, np.int32)
    for y in range(len(starts)):
        total[:] = 1 << 21
        for k in range(0, counts[y], 4):
            i = starts[y] + k
            a, b = at + i * stride, at + min(i + 1, last) * stride
            c, d = at + min(i + 2, last) * stride, at + min(i + 3, last) * stride
            one, two, three, four = pixels[a : a + m], pixels[b : b + m], pixels[c : c + m], pixels[d : d + m]
            p, q, r, s = table[y, k], table[y, k + 1], table[y, k + 2], table[y, k + 3]
            for x in range(m):
                total[x] += p * np.int32(one[x]) + q * np.int32(two[x]) + r * np.int32(three[x]) + s * np.int32(four[x])
        for x in range(m):
            out[y, x] = min(max(total[x] >> 22, 0), 255)


@_compiled
def _extent(side: Any) -> tuple[int, int]:
    """The first pixel that a side needs and the one after the last."""
    starts, counts, _ = side
    first, end = starts[0], starts[0] + counts[0]
    for i in range(len(starts)):
        first, end = min(first, starts[i]), max(end, starts[i] + counts[i])
    return first, end


@_compiled
def _columns_then_rows(pixels: Any, width: int, height: int, across: Any, down: Any, spare: Any, out: Any) -> None:
    first, end = _extent(down)
    m = _across(pixels, 4 * width * first, 4 * width, across, end - first, spare)
    _down(spare, -first * m, m, end - 1, down, out)


@_compiled
def _rows_then_columns(pixels: Any, width: int, height: int, across: Any, down: Any, spare: Any, out: Any) -> None:
    first, end = _extent(across)
    n, m = len(out), 4 * (end - first)
    _down(pixels, 4 * first, 4 * width, height - 1, down, spare[: n * m].reshape(n, m))
    rows = spare[n * m :]
    step = _across(spare, -4 * first, m, across, n, rows)
    for y in range(n):
        for x in range(out.shape[1]):
            out[y, x] = rows[y * step + x]
