"""The inverse cosine transform beside the same sums in plain numbers, and beside cosines."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.loading.idct import transformed


@njit
def run(coefficients: NDArray[np.int16], steps: NDArray[np.int16], plane: NDArray[np.uint8]) -> None:
    for block in range(0, len(coefficients), 2):
        transformed(coefficients, block, steps, 1, plane, (8 * block, 8 * len(coefficients)))


def pixels(coefficients: NDArray[np.int16], steps: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Blocks [n, 8, 8]; n is even. The steps stand in the second of two rows."""
    plane = np.zeros(64 * len(coefficients), np.uint8)
    run(coefficients, np.stack([np.full(64, 99, np.int16), steps]), plane)
    return plane.reshape(8, -1, 8).transpose(1, 0, 2)


def cosines(coefficients: NDArray[np.int16], steps: NDArray[np.int16]) -> NDArray[np.float64]:
    """The definition, in floating point (ITU-T T.81, A.3.3)."""
    u, x = np.arange(8)[:, None], np.arange(8)
    basis = np.cos((2 * x + 1) * u * np.pi / 16) * np.where(u == 0, np.sqrt(0.5), 1.0) / 2
    blocks = (coefficients.astype(float) * steps).reshape(-1, 8, 8)
    return np.asarray(np.einsum("vy,nvu,ux->nyx", basis, blocks, basis) + 128)


def test_a_first_coefficient_alone_is_an_even_block() -> None:
    # 8 times the level: 80 is 10 levels above the middle.
    coefficients = np.zeros((2, 64), np.int16)
    coefficients[:, 0] = (80, -40)
    found = pixels(coefficients, np.ones(64, np.int16))
    assert (found[0] == 138).all()
    assert (found[1] == 123).all()


def test_blocks_are_the_cosines_of_the_definition_to_a_level() -> None:
    rng = np.random.default_rng(5)
    coefficients = (rng.standard_normal((40, 64)) * 12).astype(np.int16)
    coefficients[:, 0] = rng.integers(-200, 200, 40)
    steps = rng.integers(1, 6, 64).astype(np.int16)
    off = np.abs(pixels(coefficients, steps) - cosines(coefficients, steps).clip(0, 255))
    assert off.max() <= 1.0
    assert off.mean() < 0.3


def test_levels_stay_between_black_and_white() -> None:
    coefficients = np.zeros((2, 64), np.int16)
    coefficients[:, 0] = (3000, -3000)
    found = pixels(coefficients, np.ones(64, np.int16))
    assert (found[0] == 255).all()
    assert (found[1] == 0).all()
