"""The columns of the rows that a scene is made of, shared by what composes scenes and what renders them.

The renderer's compiled code keeps these numbers, and numba's cache does not notice that they change: change the
renderer's file with them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

CAPSULE, ELLIPSOID, SUPERQUADRIC, BOX, CYLINDER, CONE, TORUS = range(7)
MOTTLED, PATCHES, MARBLE, RINGS, STRIPES, ZIGZAG, CHECKS, BRICKS, SCALES, DOTS = range(10)

PAINT_SIZE = 12
"""A paint: pattern (MOTTLED to DOTS), frequency, warp, cosine and sine of its tilt, offset, colours A (3) and B (3)."""
CENTRE, OUTWARD, INWARD, SCALE, BOUND, BLEND, BEND, TAPER, TWIST, FIRST, LAST = 0, 3, 12, 21, 22, 23, 24, 25, 26, 27, 28
GLOSS, HAZE, PAINT, ACCENT_SHARE, ACCENT, SOLID_SIZE = 29, 30, 31, 43, 44, 47
"""A solid: where it stands, its rotation (3 x 3, by rows) into the world and back, how its parts [FIRST, LAST) are
joined and bent, and its paint. Parts after the first wear ACCENT in place of colour A by ACCENT_SHARE."""
KIND, PLACE, AXES, HALF, POWER, REACH, PART_SIZE = 0, 1, 4, 13, 16, 17, 18
"""A part: its kind (CAPSULE to TORUS), centre, rotation from the solid's space into its own, half sizes, the
superquadric's exponent, the radius of its bounding sphere."""
LIGHT, LIGHT_COLOUR, SKY, BOUNCE, FLOOR_Y, WALL_Z, FLOOR, WALL = 0, 3, 6, 9, 12, 13, 14, 26
GRAIN, EXPOSURE, VIGNETTE, FILM, EYE, RIGHT, UP, AHEAD, FOCAL, WORLD_SIZE = 38, 39, 40, 41, 42, 45, 48, 51, 54, 55
"""A world: light, sky and bounce colours, floor and wall with their paints, film, and the camera's frame."""


class Scene(NamedTuple):
    """What `render` draws: `world` [WORLD_SIZE], `solids` [n, SOLID_SIZE], `parts` [m, PART_SIZE], all float64."""

    world: Numbers
    solids: Numbers
    parts: Numbers
