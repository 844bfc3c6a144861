"""The inverse cosine transform of JPEG, bit for bit as libjpeg's accurate one, on two blocks of 8 x 8 at a time.

The fixed-point form of Loeffler, Ligtenberg and Moschytz (1989) with 12 multiplications for 8 values: 13-bit constants,
2 more bits kept between the columns and the rows. Two blocks are 16 lanes; what LLVM makes of them takes 17 ns a block.
Importing this imports numba (0.3 s).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_LANES = 16
_CONSTANT_BITS, _KEPT_BITS = 13, 2
_BYTE, _SHORT, _WORD = (ir.VectorType(ir.IntType(bits), _LANES) for bits in (8, 16, 32))


def _instructions(function: Any) -> Any:
    return intrinsic(function)


@_instructions
def transformed(context: Any, coefficients: Any, block: Any, steps: Any, table: Any, plane: Any, at: Any) -> Any:
    """Two blocks' pixels from their coefficients: 8 rows of 16 bytes into `plane`.

    `coefficients` int16 [n, 64] in natural order, of which blocks `block` and `block` + 1; `steps` int16 [k, 64] their
    quantisation steps, of which row `table`; `at` is the first row's byte in the plane and the step to the next one.
    """
    del context
    return types.void(coefficients, block, steps, table, plane, at), _transformed_code


def _transformed_code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    half = ir.VectorType(ir.IntType(16), 8)

    def data(place: int) -> Any:
        return context.make_array(signature.args[place])(context, builder, given[place]).data

    def eight(pointer: Any, item: Any) -> Any:
        place = builder.gep(pointer, [item])
        return builder.load(builder.bitcast(place, half.as_pointer()), align=2)

    def joined(low: Any, high: Any) -> Any:
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), list(range(_LANES)))
        return builder.shuffle_vector(low, high, lanes)

    def number(value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    first = builder.mul(given[1], number(64))
    table = builder.mul(given[3], number(64))
    raw, rows = [], []
    for y in range(8):
        blocks = (builder.add(first, number(8 * y + 64 * other)) for other in (0, 1))
        step = eight(data(2), builder.add(table, number(8 * y)))
        raw.append(joined(*(eight(data(0), block) for block in blocks)))
        rows.append(builder.mul(raw[y], joined(step, step)))
    flat = _flat(builder, raw)
    kept = builder.shl(rows[0], ir.Constant(_SHORT, [_KEPT_BITS] * _LANES))
    rows = _pass(builder, rows, _CONSTANT_BITS - _KEPT_BITS, -32768, 32767, 0)
    columns = _turned(builder, [builder.select(flat, kept, row) for row in rows])
    rows = _turned(builder, _pass(builder, columns, _CONSTANT_BITS + _KEPT_BITS + 3, 0, 255, 128))
    at, stride = (builder.extract_value(given[5], i) for i in (0, 1))
    for y, row in enumerate(rows):
        place = builder.gep(data(4), [builder.add(at, builder.mul(stride, number(y)))])
        builder.store(builder.trunc(row, _BYTE), builder.bitcast(place, _BYTE.as_pointer()), align=1)
    return context.get_dummy_value()


def _flat(builder: Any, rows: list[Any]) -> Any:
    """In the lanes of which block nothing is below the first row: there libjpeg-turbo's sums overflow otherwise."""
    below = rows[1]
    for row in rows[2:]:
        below = builder.or_(below, row)
    blocks = ir.VectorType(ir.IntType(128), 2)
    empty = builder.icmp_signed("==", builder.bitcast(below, blocks), ir.Constant(blocks, [0, 0]))
    lanes = builder.bitcast(builder.sext(empty, blocks), _SHORT)
    return builder.icmp_signed("!=", lanes, ir.Constant(_SHORT, [0] * _LANES))


def _pass(builder: Any, given: list[Any], bits: int, least: int, most: int, raised: int) -> list[Any]:
    """One dimension of eight vectors int16: rounded by `bits`, `raised`, and kept within least .. most.

    Four sums have 16 bits and may overflow, as in libjpeg-turbo: no picture does that, but damaged ones look alike.
    """

    def constant(value: int) -> Any:
        return ir.Constant(_WORD, [value] * _LANES)

    def times(vector: Any, factor: float) -> Any:
        return builder.mul(vector, constant(round(factor * (1 << _CONSTANT_BITS))))

    def wide(vector: Any) -> Any:
        return builder.sext(vector, _WORD)

    def scaled(vector: Any) -> Any:
        return builder.shl(wide(vector), constant(_CONSTANT_BITS))

    add, sub = builder.add, builder.sub
    v = [wide(vector) for vector in given]
    shared = times(add(v[2], v[6]), 0.541196100)
    low, high = add(shared, times(v[6], -1.847759065)), add(shared, times(v[2], 0.765366865))
    total, rest = scaled(add(given[0], given[4])), scaled(sub(given[0], given[4]))
    even = [add(total, high), add(rest, low), sub(rest, low), sub(total, high)]
    outer, inner = wide(add(given[7], given[3])), wide(add(given[5], given[1]))
    both = times(add(outer, inner), 1.175875602)
    outer, inner = add(times(outer, -1.961570560), both), add(times(inner, -0.390180644), both)
    ends, middle = times(add(v[7], v[1]), -0.899976223), times(add(v[5], v[3]), -2.562915447)
    odd = [
        add(times(v[1], 1.501321110), add(ends, inner)),
        add(times(v[3], 3.072711026), add(middle, outer)),
        add(times(v[5], 2.053119869), add(middle, inner)),
        add(times(v[7], 0.298631336), add(ends, outer)),
    ]
    sums = [add(a, b) for a, b in zip(even, odd, strict=True)]
    sums += [sub(a, b) for a, b in zip(reversed(even), reversed(odd), strict=True)]
    half = constant((1 << (bits - 1)) + (raised << bits))
    found = []
    for vector in sums:
        value = builder.ashr(add(vector, half), constant(bits))
        value = builder.select(builder.icmp_signed("<", value, constant(least)), constant(least), value)
        value = builder.select(builder.icmp_signed(">", value, constant(most)), constant(most), value)
        found.append(builder.trunc(value, _SHORT))
    return found


def _turned(builder: Any, vectors: list[Any]) -> list[Any]:
    """Rows to columns in both blocks: interleaving vector i with i + 4 moves the row's highest bit to the column's end.

    Of an element's place (3 bits of row, 3 of column) each round turns the six bits by one.
    """
    masks = [
        ir.Constant(
            ir.VectorType(ir.IntType(32), _LANES),
            [block + half + i + other for block in (0, 8) for i in range(4) for other in (0, _LANES)],
        )
        for half in (0, 4)
    ]
    for _ in range(3):
        vectors = [builder.shuffle_vector(vectors[i], vectors[i + 4], mask) for i in range(4) for mask in masks]
    return vectors
