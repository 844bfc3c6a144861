"""The twin's renderer: solids made of smoothly joined parts, marched along their distance fields, with soft shadows.

Compiled by numba, without the interpreter's lock, so that threads render side by side. No fast-math: the same numbers
give the same pixels. All kernels are in this one file, since numba's cache sees changes only in a function's own file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from topfive.dataset import _twin_rows as col
from topfive.dataset._twin_rows import Numbers, Scene

Vector = tuple[float, float, float]
Lists = tuple[Numbers, Numbers, Numbers]
Function = TypeVar("Function", bound=Callable[..., object])

_FAR = 1e9
_CLOSE = 0.01
"""A ray has arrived within this distance; a pixel of a 96 px picture is 0.03 wide where the subject stands."""
_STEP = 0.92
"""Share of the distance that a step takes: bends and the superquadric's bound overstate it a little."""
_LEAST = 0.025
"""Least step: keeps rays that graze an outline, the dearest by far, from creeping along it."""
_PENUMBRA = 0.18
"""Widest soft edge of a shadow, in the space of the solid that throws it."""
_GRID = ((0.3, 0.2), (-0.3, -0.2))
_AROUND = ((0, 1), (1, 0), (0, -1), (-1, 0))


def _compiled(function: Function) -> Function:
    return cast(Function, njit(cache=True, nogil=True, error_model="numpy")(function))


@_compiled
def _hash(x: int, y: int, z: int) -> float:
    """A number in [0, 1) that three integers determine."""
    h = (x * 73856093) ^ (y * 19349663) ^ (z * 83492791)
    h = ((h ^ (h >> 15)) & 0x7FFFFFFF) * 0x2C1B3C6D
    h = ((h ^ (h >> 12)) & 0x7FFFFFFF) * 0x297A2D39
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@_compiled
def _noise(x: float, y: float, z: float) -> float:
    """Smooth noise in [0, 1] with features one unit wide."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    sides = (0.0, 0.0)
    for step in range(2):
        a, b = _hash(i, j, k + step), _hash(i + 1, j, k + step)
        c, d = _hash(i, j + 1, k + step), _hash(i + 1, j + 1, k + step)
        sides = (sides[1], (a + (b - a) * u) * (1 - v) + (c + (d - c) * u) * v)
    return sides[0] + (sides[1] - sides[0]) * w


@_compiled
def _cloud(x: float, y: float, z: float) -> float:
    """Three octaves of noise, in [0, 1]."""
    total, weight = 0.0, 0.55
    for octave in range(3):
        total += weight * _noise(x, y, z + 17.0 * octave)
        x, y, z, weight = 2.03 * x, 2.03 * y, 2.03 * z, 0.5 * weight
    return total / 0.9625


@_compiled
def _edge(value: float) -> float:
    """0 below -0.5, 1 above 0.5, smooth between."""
    t = min(max(value + 0.5, 0.0), 1.0)
    return t * t * (3 - 2 * t)


@_compiled
def _painted(row: Numbers, at: int, x: float, y: float, z: float) -> tuple[float, float]:
    """Share of colour B, and relief (a factor of brightness), at a point, for the paint from column `at` of `row`."""
    kind, frequency, shift = int(row[at]), row[at + 1], row[at + 5]
    x, y = row[at + 3] * x - row[at + 4] * y, row[at + 4] * x + row[at + 3] * y
    x, y, z = frequency * x + shift, frequency * y + 0.37 * shift, frequency * z + 0.71 * shift
    cloud = _cloud(x, y, z)
    grit = 0.93 + 0.14 * cloud
    bent = row[at + 2] * (cloud - 0.5) * 2.0
    u, v = 0.8 * x + 0.6 * z + bent, y + bent
    if kind == col.MOTTLED:
        return _edge(2.2 * (cloud - 0.5)), grit
    if kind == col.PATCHES:
        return _edge(9.0 * (_noise(0.9 * u, 0.9 * v, 0.9 * z) - 0.55)), grit
    if kind == col.MARBLE:
        return abs(math.sin(2.2 * (u + v) + 9.0 * (cloud - 0.5))) ** 3, grit
    if kind == col.RINGS:
        x, y, z = x - shift, y - 0.37 * shift, z - 0.71 * shift
        return _edge(2.5 * math.sin(6.2832 * (math.sqrt(x * x + z * z + 0.15 * y * y) + bent))), grit
    if kind == col.STRIPES:
        return _edge(2.5 * math.sin(6.2832 * v)), grit
    if kind == col.ZIGZAG:
        return _edge(2.5 * math.sin(6.2832 * (v + abs(2.0 * (u - math.floor(u)) - 1.0)))), grit
    if kind == col.CHECKS:
        return _edge(6.0 * math.sin(3.1416 * u) * math.sin(3.1416 * v)), grit
    line = math.floor(v)
    across = u + 0.5 * (int(line) & 1)
    column = math.floor(across)
    p, q = across - column, v - line
    if kind == col.BRICKS:
        joint = min(p, 1 - p, 0.7 * q, 0.7 - 0.7 * q)
        return _edge(18.0 * (0.075 - joint)), 0.85 + 0.3 * _hash(int(column), int(line), 7)
    if kind == col.SCALES:
        reach = math.sqrt((2 * p - 1) ** 2 + (1.1 * q) ** 2)
        return _edge(5.0 * (reach - 0.95)), 1.15 - 0.45 * min(reach, 1.2)
    size = 0.22 + 0.16 * _hash(int(column), int(line), 3)
    return _edge(12.0 * (size - math.sqrt((p - 0.5) ** 2 + (q - 0.5) ** 2))), grit


@_compiled
def _turned(rows: Numbers, i: int, at: int, v: Vector) -> Vector:
    """A vector turned by the rotation that begins in column `at` of row i."""
    return (
        rows[i, at] * v[0] + rows[i, at + 1] * v[1] + rows[i, at + 2] * v[2],
        rows[i, at + 3] * v[0] + rows[i, at + 4] * v[1] + rows[i, at + 5] * v[2],
        rows[i, at + 6] * v[0] + rows[i, at + 7] * v[1] + rows[i, at + 8] * v[2],
    )


@_compiled
def _part_distance(parts: Numbers, i: int, x: float, y: float, z: float) -> float:
    """Signed distance from part i to a point given from its centre (a bound for ellipsoid and superquadric)."""
    px, py, pz = _turned(parts, i, col.AXES, (x, y, z))
    px, pz, kind = abs(px), abs(pz), int(parts[i, col.KIND])
    a, b, c = float(parts[i, col.HALF]), float(parts[i, col.HALF + 1]), float(parts[i, col.HALF + 2])
    if kind == col.ELLIPSOID:
        k = math.sqrt((px / a) ** 2 + (py / b) ** 2 + (pz / c) ** 2)
        slope = math.sqrt((px / (a * a)) ** 2 + (py / (b * b)) ** 2 + (pz / (c * c)) ** 2)
        return k * (k - 1.0) / slope if slope > 1e-6 else -min(a, b, c)
    if kind == col.SUPERQUADRIC:
        power = float(parts[i, col.POWER])
        norm = (px / a) ** power + (abs(py) / b) ** power + (pz / c) ** power
        return float((norm ** (1.0 / power) - 1.0) * min(a, b, c)) if norm > 1e-9 else -min(a, b, c)
    if kind == col.BOX:
        edge = 0.12 * min(a, b, c)
        qx, qy, qz = px - a + edge, abs(py) - b + edge, pz - c + edge
        outside = math.sqrt(max(qx, 0.0) ** 2 + max(qy, 0.0) ** 2 + max(qz, 0.0) ** 2)
        return outside + min(max(qx, qy, qz), 0.0) - edge
    # The rest turn about y; where a and c differ they are squeezed, and the smaller of the two bounds the distance.
    radius, squeeze = math.sqrt(px * px + (pz * a / c) ** 2), min(1.0, c / a)
    if kind == col.CAPSULE:
        stem = max(b - a, 0.0)
        high = py - min(max(py, -stem), stem)
        return (math.sqrt(radius * radius + high * high) - min(a, b)) * squeeze
    if kind == col.CYLINDER:
        edge = 0.1 * min(a, b)
        qx, qy = radius - a + edge, abs(py) - b + edge
        return (math.sqrt(max(qx, 0.0) ** 2 + max(qy, 0.0) ** 2) + min(max(qx, qy), 0.0) - edge) * squeeze
    if kind == col.CONE:
        side = (2 * b * radius + a * (py - b)) / math.sqrt(a * a + 4 * b * b)
        return max(side, -py - b) * squeeze
    thick = 0.34 * min(a, b)
    return (math.sqrt((radius - a + thick) ** 2 + py * py) - thick) * squeeze


@_compiled
def _field(solids: Numbers, s: int, parts: Numbers, point: Vector) -> tuple[float, int]:
    """Bound on the distance to solid s from a point of its own space, and which part is nearest."""
    x, y, z = point
    x += solids[s, col.BEND] * (y * y - 0.3)
    spread = 1.0 / (1.0 + solids[s, col.TAPER] * min(max(y, -1.0), 1.0))
    x, z = x * spread, z * spread
    if solids[s, col.TWIST] != 0.0:
        cosine, sine = math.cos(solids[s, col.TWIST] * y), math.sin(solids[s, col.TWIST] * y)
        x, z = cosine * x - sine * z, sine * x + cosine * z
    first, blend = int(solids[s, col.FIRST]), solids[s, col.BLEND]
    joined, nearest, least = _FAR, first, _FAR
    for i in range(first, int(solids[s, col.LAST])):
        px, py, pz = x - parts[i, col.PLACE], y - parts[i, col.PLACE + 1], z - parts[i, col.PLACE + 2]
        apart, within = px * px + py * py + pz * pz, least + blend + parts[i, col.REACH]
        if apart > within * within:
            continue
        # Further off, the bounding sphere is bound enough and costs a tenth.
        d = math.sqrt(apart) - parts[i, col.REACH]
        if d < 0.25:
            d = _part_distance(parts, i, px, py, pz)
        if d < least:
            nearest, least = i, d
        h = max(blend - abs(joined - d), 0.0)
        joined = min(joined, d) - 0.25 * h * h / blend
    return joined, nearest


@_compiled
def _vector(row: Numbers, at: int) -> Vector:
    return row[at], row[at + 1], row[at + 2]


@_compiled
def _along(point: Vector, way: Vector, t: float) -> Vector:
    return point[0] + t * way[0], point[1] + t * way[1], point[2] + t * way[2]


@_compiled
def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@_compiled
def _unit(v: Vector) -> Vector:
    length = math.sqrt(_dot(v, v)) + 1e-12
    return v[0] / length, v[1] / length, v[2] / length


@_compiled
def _into(solids: Numbers, s: int, ray: tuple[Vector, Vector], margin: float) -> tuple[Vector, Vector, float, float]:
    """A ray in the solid's space, and where it enters and leaves the bounding sphere (entry past exit: a miss)."""
    (origin, way), scale = ray, solids[s, col.SCALE]
    away = _along(origin, _vector(solids[s], col.CENTRE), -1.0)
    near = _dot(away, way)
    room = near * near - _dot(away, away) + ((solids[s, col.BOUND] + margin) * scale) ** 2
    if room <= 0.0:
        return away, way, 1.0, 0.0
    x, y, z = _turned(solids, s, col.INWARD, away)
    half = math.sqrt(room)
    here = (x / scale, y / scale, z / scale)
    return here, _turned(solids, s, col.INWARD, way), max(-near - half, 0.0) / scale, (half - near) / scale


@_compiled
def _hit(solids: Numbers, parts: Numbers, origin: Vector, way: Vector) -> tuple[float, int, int]:
    """Distance along the ray, solid and part of the first surface; solid -1 where there is none."""
    best, which, part = _FAR, -1, -1
    for s in range(len(solids)):
        here, there, t, end = _into(solids, s, (origin, way), 0.0)
        end = min(end, best / solids[s, col.SCALE])
        for _ in range(40):
            if t >= end:
                break
            d, nearest = _field(solids, s, parts, _along(here, there, t))
            if d < _CLOSE:
                best, which, part = t * solids[s, col.SCALE], s, nearest
                break
            t += max(_STEP * d, _LEAST)
    return best, which, part


@_compiled
def _lit(solids: Numbers, parts: Numbers, point: Vector, light: Vector) -> float:
    """Share of the key light that reaches a point: 0 in full shadow, between in the penumbra."""
    free = 1.0
    for s in range(len(solids)):
        here, there, t, end = _into(solids, s, (point, light), _PENUMBRA)
        t = max(t, 0.03)
        for _ in range(14):
            if t >= end or free < 0.02:
                break
            d = _field(solids, s, parts, _along(here, there, t))[0]
            # Softer further off, but no wider than the margin of the bounding sphere, which would show as a disc.
            free = min(free, max(d, 0.0) / min(0.02 + 0.14 * t, _PENUMBRA))
            t += max(d, 0.05)
    return free


@_compiled
def _facing(solids: Numbers, s: int, parts: Numbers, here: Vector) -> Vector:
    """Unit normal, in the solid's space: four samples of the field."""
    x, y, z, e = 0.0, 0.0, 0.0, 0.004
    for corner in range(4):
        i = 2.0 * (((corner + 3) >> 1) & 1) - 1.0
        j = 2.0 * ((corner >> 1) & 1) - 1.0
        k = 2.0 * (corner & 1) - 1.0
        d = _field(solids, s, parts, (here[0] + e * i, here[1] + e * j, here[2] + e * k))[0]
        x, y, z = x + i * d, y + j * d, z + k * d
    return _unit((x, y, z))


@_compiled
def _surface(scene: Lists, hit: tuple[int, int], eye: tuple[Vector, Vector], out: Numbers) -> None:
    """Colour of a solid's surface: paint, key light with shadow, sky and bounce light, occlusion, gloss, rim."""
    world, solids, parts = scene
    s, (point, way) = hit[0], eye
    here = _into(solids, s, eye, 0.0)[0]
    inner = _facing(solids, s, parts, here)
    normal = _turned(solids, s, col.OUTWARD, inner)
    light = _vector(world, col.LIGHT)
    toward = _dot(normal, light)
    key = toward * _lit(solids, parts, _along(point, normal, 0.02), light) if toward > 0.0 else 0.0
    room = _field(solids, s, parts, _along(here, inner, 0.22))[0] / 0.22
    free = 0.35 + 0.65 * min(max(room, 0.0), 1.0)
    share, relief = _painted(solids[s], col.PAINT, here[0], here[1], here[2])
    accent = solids[s, col.ACCENT_SHARE] if hit[1] > int(solids[s, col.FIRST]) else 0.0
    rim = (1.0 - max(-_dot(normal, way), 0.0)) ** 3
    gloss = solids[s, col.GLOSS]
    mirror = max(_dot(normal, _unit(_along(light, way, -1.0))), 0.0) ** (8.0 + 60.0 * gloss)
    shine = gloss * (0.9 * mirror * min(1.0, 4.0 * key) + 0.2 * rim)
    sky = 0.5 + 0.5 * normal[1]
    for channel in range(3):
        a = solids[s, col.PAINT + 6 + channel] * (1 - accent) + solids[s, col.ACCENT + channel] * accent
        skin = (a + (solids[s, col.PAINT + 9 + channel] - a) * share) * relief
        soft = free * (sky * world[col.SKY + channel] + (1 - sky) * world[col.BOUNCE + channel])
        value = skin * (key * world[col.LIGHT_COLOUR + channel] + soft) + shine * world[col.LIGHT_COLOUR + channel]
        out[channel] = value + solids[s, col.HAZE] * (0.6 * world[col.WALL + 6 + channel] - value)


@_compiled
def _ground(scene: Lists, origin: Vector, way: Vector, out: Numbers) -> None:
    """Colour of floor or wall where no solid is in the way; the solids throw their shadows on both."""
    world, solids, parts = scene
    wall = (world[col.WALL_Z] - origin[2]) / min(way[2], -1e-6)
    floor = (world[col.FLOOR_Y] - origin[1]) / way[1] if way[1] < -1e-6 else _FAR
    light = _vector(world, col.LIGHT)
    if floor < wall:
        at, toward, point = col.FLOOR, light[1], _along(origin, way, floor)
        share, relief = _painted(world, col.FLOOR, point[0], point[2], 0.0)
        apart = (floor - wall) * way[2]
    else:
        at, toward, point = col.WALL, light[2], _along(origin, way, wall)
        share, relief = _painted(world, col.WALL, point[0], point[1], 0.0)
        apart = point[1] - world[col.FLOOR_Y]
    key = max(toward, 0.0) * _lit(solids, parts, point, light)
    corner = 1.0 - 0.35 * math.exp(-2.0 * abs(apart))
    for channel in range(3):
        a = world[at + 6 + channel]
        skin = (a + (world[at + 9 + channel] - a) * share) * relief
        out[channel] = skin * (key * world[col.LIGHT_COLOUR + channel] + 0.8 * world[col.SKY + channel]) * corner


@_compiled
def _ray(world: Numbers, column: float, row: float, side: int) -> tuple[Vector, Vector]:
    """The eye, and the direction it looks in through a point of the picture given in pixels."""
    u, v = (2.0 * column + 1.0) / side - 1.0, 1.0 - (2.0 * row + 1.0) / side
    way = _along((0.0, 0.0, 0.0), _vector(world, col.AHEAD), world[col.FOCAL])
    way = _along(_along(way, _vector(world, col.RIGHT), u), _vector(world, col.UP), v)
    return _vector(world, col.EYE), _unit(way)


@_compiled
def _exposed(scene: Lists, light: Numbers, which: NDArray[np.int64]) -> None:
    """Fill `light` [n, n, 3] with the linear light at each pixel's centre, `which` [n, n] with the part seen or -1."""
    world, solids, parts = scene
    side = len(light)
    for row in range(side):
        for column in range(side):
            origin, way = _ray(world, column, row, side)
            t, s, part = _hit(solids, parts, origin, way)
            which[row, column] = part
            if s < 0:
                _ground(scene, origin, way, light[row, column])
            else:
                _surface(scene, (s, part), (_along(origin, way, t), way), light[row, column])


@_compiled
def _smoothed(scene: Lists, light: Numbers, which: NDArray[np.int64], smooth: Numbers) -> None:
    """Fill `smooth` with `light`, mixed along outlines by how much of the pixel each part covers.

    Two more rays say which part other places of the pixel see; the colour is taken from the neighbour that sees the
    same part, which costs a fifth of shading it.
    """
    world, solids, parts = scene
    side = len(light)
    smooth[:] = light
    for row in range(side):
        for column in range(side):
            outline = False
            for dr, dc in _AROUND:
                r, c = min(max(row + dr, 0), side - 1), min(max(column + dc, 0), side - 1)
                outline |= which[r, c] != which[row, column]
            if not outline:
                continue
            for du, dv in _GRID:
                origin, way = _ray(world, column + du, row + dv, side)
                part, r, c = _hit(solids, parts, origin, way)[2], row, column
                for dr, dc in _AROUND:
                    if which[r, c] != part:
                        r, c = min(max(row + dr, 0), side - 1), min(max(column + dc, 0), side - 1)
                if which[r, c] != part:
                    r, c = row, column
                for channel in range(3):
                    smooth[row, column, channel] += light[r, c, channel]
            for channel in range(3):
                smooth[row, column, channel] /= 3.0


def render(scene: Scene, side: int) -> NDArray[np.uint8]:
    """The picture of a scene, uint8 [side, side, 3]; a pure function of its numbers."""
    light, smooth = np.empty((side, side, 3)), np.empty((side, side, 3))
    which = np.empty((side, side), dtype=np.int64)
    numbers = (scene.world, scene.solids, scene.parts)
    _exposed(numbers, light, which)
    _smoothed(numbers, light, which, smooth)
    # Exposure and vignette, a soft shoulder, gamma 2 (a square root is exact everywhere), grain.
    world, out = scene.world, (np.arange(side) + 0.5) * 2.0 / side - 1.0
    gain = world[col.EXPOSURE] * (1.0 - world[col.VIGNETTE] * (out[:, None] ** 2 + out**2))
    smooth *= gain[:, :, None]
    np.sqrt(1.2 * smooth / (1.0 + 0.35 * smooth), out=smooth)
    grain = np.random.default_rng(int(world[col.FILM])).random(smooth.shape) - 0.5
    return np.asarray(255.0 * (smooth + 1.4 * world[col.GRAIN] * grain).clip(0.0, 1.0) + 0.5).astype(np.uint8)
