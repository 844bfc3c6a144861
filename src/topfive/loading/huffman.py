"""The entropy code of a baseline JPEG: bits to coefficients, and each row of blocks on to pixels.

libjpeg spends 0.7 of its 0.9 ms for a picture here. One look at the next 11 bits gives code, run and value at once for
97 % of the symbols, and bits are refilled once for five of them. Nothing of a file is trusted: what does not fit
the format ends the work, and what is written is bounded whatever the bytes say. Importing this imports numba (0.3 s).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from topfive.loading.idct import transformed

PADDING = 2048
"""Zeros behind the bits: six blocks, decoded before the end is looked for, have 1,300 bytes at most."""
_LOOK = 11
"""Bits of one look: with 9 bits 8 % of the symbols of real pictures go the long way, with 11 bits 3 %. Five looks need
no more than the 56 bits of a refill."""
_LIMITS = 1 << _LOOK
_OFFSETS, _SYMBOLS = _LIMITS + 17, _LIMITS + 34
_ZIGZAG = np.array(
    sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8)) + [63] * 128, np.uint8
) * np.uint8(2)
"""Natural place of each coefficient as they come, in bytes; runs beyond the end meet the last place."""
_END = 128
"""The run of an end of block: more than any other, so that a place beyond 63 that is not an end is known as damage."""
_U8, _U56, _U63, _U64 = (np.uint64(n) for n in (8, 56, 63, 64))
_ZERO, _ONE, _THREE, _FOUR = (np.uint64(n) for n in (0, 1, 3, 4))
_BYTE, _NIBBLE = np.uint64(255), np.uint64(15)
_EACH, _HIGHEST = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_SHIFT = np.uint64(64 - _LOOK)


def _compiled(function: Any) -> Any:
    return njit(nogil=True, cache=True)(function)


def _instructions(function: Any) -> Any:
    return intrinsic(function)


@_instructions
def _eight(context: Any, address: Any) -> Any:
    """uint64: the eight bytes from an address on, the first one highest."""
    del context

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del context, signature
        place = builder.inttoptr(given[0], ir.IntType(64).as_pointer())
        return builder.bswap(builder.load(place, align=1))

    return types.uint64(address), code


@_instructions
def _put_eight(context: Any, address: Any, word: Any) -> Any:
    """Store eight bytes at an address, the highest one first."""
    del context

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del signature
        builder.store(builder.bswap(given[1]), builder.inttoptr(given[0], ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(address, word), code


@_instructions
def _entry(context: Any, address: Any) -> Any:
    """int32 at an address."""
    del context

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del context, signature
        return builder.load(builder.inttoptr(given[0], ir.IntType(32).as_pointer()), align=4)

    return types.int32(address), code


@_instructions
def _put(context: Any, address: Any, value: Any) -> Any:
    """Store the lower 16 bits of an int32 at an address."""
    del context

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        del signature
        place = builder.inttoptr(given[0], ir.IntType(16).as_pointer())
        builder.store(builder.trunc(given[1], ir.IntType(16)), place, align=2)
        return context.get_dummy_value()

    return types.void(address, types.int32), code


@_compiled
def unstuffed(data: Any, start: int, out: Any) -> tuple[int, int]:
    """The bits from byte `start` up to the next marker, without stuffing, into `out` with `PADDING` zeros behind them.

    Their number of bytes, and the marker (0 if the file ends before one). `out` has room for the file and the padding.
    """
    source, target = np.uint64(data.ctypes.data), np.uint64(out.ctypes.data)
    n, i, made, marker = np.uint64(len(data)), np.uint64(start), _ZERO, 0
    while i < n:
        if i + _U8 <= n:
            word = _eight(source + i)
            _put_eight(target + made, word)
            if (~word - _EACH) & word & _HIGHEST == _ZERO:  # no byte of `~word` is 0
                i += _U8
                made += _U8
                continue
        if data[i] == 255:
            if i + _ONE >= n:
                break
            if data[i + _ONE] != 0:
                marker = int(data[i + _ONE])
                break
            i += _ONE
            out[made] = 255
        else:
            out[made] = data[i]
        i += _ONE
        made += _ONE
    out[made : made + np.uint64(PADDING)] = 0
    return int(made), marker


@_compiled
def looks(counts: Any, symbols: Any, dc: bool, code: Any) -> bool:
    """Fill the tables of one Huffman code, int32 [2338]; False where it is none.

    `counts` uint8 [16] codes of each length, `symbols` uint8 [256]. First, for the next 11 bits, value << 16 |
    run << 8 | bits, or 0 where they do not hold code and value. Then for each length 0 to 16 the first 16 bits beyond
    its codes, what to add to such a code for its symbol's place, and the symbols.
    """
    code[:] = 0
    following = at = 0
    for length in range(1, 17):
        n = int(counts[length - 1])
        if at + n > 256 or following + n > 1 << length:
            return False
        code[_LIMITS + length], code[_OFFSETS + length] = (following + n) << (16 - length), at - following
        for i in range(n):
            symbol = int(symbols[at + i])
            code[_SYMBOLS + at + i] = symbol
            if symbol & 15 > 11 or (dc and symbol > 15):
                return False
            if length + (symbol & 15) <= _LOOK:
                _enter(code, following + i, length, symbol, dc)
        at += n
        following = (following + n) << 1
    return True


@_compiled
def _enter(code: Any, bits: int, length: int, symbol: int, dc: bool) -> None:
    run, size = symbol >> 4, symbol & 15
    used, skip = length + size, 0 if dc else run + 1
    if size == 0 and not dc:
        skip = 16 if run == 15 else _END
    for value in range(1 << size):
        signed = value if size == 0 or value >> (size - 1) else value - (1 << size) + 1
        first = (bits << (_LOOK - length)) + (value << (_LOOK - used))
        code[first : first + (1 << (_LOOK - used))] = np.int32(signed << 16 | skip << 8 | used)


@_compiled
def _long(acc: Any, code: Any) -> tuple[Any, Any]:
    """Symbol and length of the code that the 64 bits `acc` begin with; length 0 where there is none."""
    bits = np.int32(acc >> np.uint64(48))
    for length in range(1, 17):
        if bits < _entry(code + np.uint64(4 * (_LIMITS + length))):
            place = ((bits >> (16 - length)) + _entry(code + np.uint64(4 * (_OFFSETS + length)))) & 255
            return np.uint64(_entry(code + np.uint64(4 * (_SYMBOLS + place)))), np.uint64(length)
    return _ZERO, _ZERO


@_compiled
def _extended(acc: Any, size: Any) -> Any:
    """The value that the first `size` bits (1 or more) of `acc` stand for."""
    value = np.int32(acc >> (_U64 - size))
    if np.int64(acc) >= 0:
        value -= (np.int32(1) << np.int32(size)) - np.int32(1)
    return value


@_compiled
def _refilled(state: Any) -> Any:
    """At least 56 bits to look at. A state is those, how many count, the address after them, and eight bytes there.

    The eight are loaded one refill ahead: their way from memory would else be in the chain from symbol to symbol.
    """
    acc, n, at, ahead = state
    acc |= ahead >> n
    at += (_U63 - n) >> _THREE
    return acc, n | _U56, at, _eight(at)


@_compiled
def _direct(state: Any, code: Any) -> tuple[Any, Any, Any]:
    """The slow way: the state after one symbol, its run (64 if it is no symbol, `_END`) and its value."""
    acc, n, at, ahead = _refilled(state)
    symbol, used = _long(acc, code)
    run, size, value = symbol >> np.uint64(4), symbol & _NIBBLE, np.int32(0)
    acc <<= used
    if size > _ZERO:
        value = _extended(acc, size)
        acc <<= size
    elif run != _NIBBLE:
        run = np.uint64(_END - 1)
    if used == _ZERO:
        run = _U63
    return (acc, n - used - size, at, ahead), run + _ONE, value


@_compiled
def _block(state: Any, dc: Any, ac: Any, out: Any) -> tuple[Any, Any, bool]:
    """One block of coefficients, int16 [64] at address `out` that are 0 before; `dc` and `ac` are addresses of codes.

    The state after it, its first coefficient as the difference to another's, and whether it was sound. Addresses and
    numbers alone: numba counts the holders of every array that a function is given, twice the time of the work here.
    """
    state = _refilled(state)
    entry = _entry(dc + (state[0] >> _SHIFT) * _FOUR)
    used = np.uint64(entry & 255)
    difference = entry >> 16
    if used > _ZERO:
        state = state[0] << used, state[1] - used, state[2], state[3]
    else:
        state, run, difference = _direct(state, dc)
        if run == _U64:
            return state, difference, False
    k = _ZERO
    while k < _U63:
        acc, n, at, ahead = _refilled(state)
        slow = False
        for _ in range(5):
            entry = _entry(ac + (acc >> _SHIFT) * _FOUR)
            used = np.uint64(np.uint32(entry)) & _BYTE
            slow = used == _ZERO
            if slow:
                break
            acc <<= used
            n -= used
            k += (np.uint64(np.uint32(entry)) >> _U8) & _BYTE
            _put(out + np.uint64(_ZIGZAG[k]), entry >> 16)
            if k >= _U63:
                break
        state = acc, n, at, ahead
        if slow:
            state, run, value = _direct(state, ac)
            k += run
            _put(out + np.uint64(_ZIGZAG[k]), value)
    return state, difference, bool(k == _U63 or k >= np.uint64(_END))


@_compiled
def _prepared(components: Any, raw_codes: Any, raw_steps: Any, codes: Any, steps: Any) -> bool:
    """Fill the tables of every code in use, and the steps in natural order; False where one is unsound."""
    sound = True
    for c in range(len(components)):
        for slot in components[c, 2:4]:
            if codes[slot, _LIMITS + 16] == 0:
                sound &= looks(raw_codes[slot, :16], raw_codes[slot, 16:], slot < 4, codes[slot])
        table = components[c, 4]
        for k in range(64):
            sound &= raw_steps[table, k] > 0
            steps[table, _ZIGZAG[k] // 2] = raw_steps[table, k]
    return sound


@_compiled
def scanned(
    bits: Any, n_bytes: int, components: Any, tables: tuple[Any, Any], places: Any, units: Any, planes: Any
) -> bool:
    """Decode a scan up to the last unit that is wanted; False where its bits do not fit the format or end too early.

    `components` and `tables` (codes, steps) are those of `planned`. `units` is units in a row, then first and end of
    those wanted across and down: their pixels go to `planes`, of each component from byte `places[c, 0]` on in rows of
    `places[c, 1]`, an even number of blocks.
    """
    wide, left, right, top, bottom = units
    codes, steps = np.zeros((8, _SYMBOLS + 256), np.int32), np.zeros((4, 64), np.int16)
    if not _prepared(components, tables[0], tables[1], codes, steps):
        return False
    starts = np.zeros(len(components) + 1, np.int64)
    for c in range(len(components)):
        starts[c + 1] = starts[c] + components[c, 1] * places[c, 1] // 8
    blocks = np.zeros((12, 5), np.int64)
    n = 0
    for c in range(len(components)):
        for v in range(components[c, 1]):
            for h in range(components[c, 0]):
                blocks[n, 0], blocks[n, 1], blocks[n, 2] = c, components[c, 2], components[c, 3]
                blocks[n, 3], blocks[n, 4] = starts[c] + v * (places[c, 1] // 8) + h, components[c, 0]
                n += 1
    held, before = np.zeros((starts[-1] + 1, 64), np.int16), np.zeros(4, np.int32)
    begin = np.uint64(bits.ctypes.data)
    state = (_ZERO, _ZERO, begin, _eight(begin))
    for y in range(bottom):
        wanted = (left, right) if y >= top else (0, 0)
        state, sound = _row(state, begin + np.uint64(n_bytes), codes, blocks[:n], (wide, wanted), held, before)
        if not sound:
            return False
        if y >= top:
            _pixels(held, starts, y - top, components, places, steps, planes)
    return True


@_compiled
def _row(state: Any, end: Any, codes: Any, blocks: Any, span: Any, held: Any, before: Any) -> tuple[Any, bool]:
    """A row of units to the coefficients `held`, the last block of which is for those that are not wanted.

    `blocks` are those of a unit: component, slots of its codes, place of the first one and step to the next one's.
    """
    wide, (left, right) = span
    code, out = np.uint64(codes.ctypes.data), np.uint64(held.ctypes.data)
    size, spare = np.uint64(4 * codes.shape[1]), len(held) - 1
    for x in range(wide):
        wanted = left <= x < right
        for b in range(len(blocks)):
            place = blocks[b, 3] + (x - left) * blocks[b, 4] if wanted else spare
            for i in range(64):
                held[place, i] = 0
            dc, ac = code + np.uint64(blocks[b, 1]) * size, code + np.uint64(blocks[b, 2]) * size
            state, difference, sound = _block(state, dc, ac, out + np.uint64(128 * place))
            if not sound:
                return state, False
            before[blocks[b, 0]] += difference
            held[place, 0] = before[blocks[b, 0]]
        if state[2] > end and (state[2] - end) * _U8 > state[1]:
            return state, False
    return state, True


@_compiled
def _pixels(held: Any, starts: Any, y: int, components: Any, places: Any, steps: Any, planes: Any) -> None:
    """The held coefficients of a row of units, the y-th that is wanted, to pixels."""
    for c in range(len(components)):
        down, stride = components[c, 1], places[c, 1]
        for v in range(down):
            at = places[c, 0] + (y * down + v) * 8 * stride
            block = starts[c] + v * stride // 8
            for x in range(0, stride // 8, 2):
                transformed(held, block + x, steps, components[c, 4], planes, (at + 8 * x, stride))
