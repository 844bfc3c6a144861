"""From looks to a scene's numbers: solids and their parts, pose, camera, light, background, clutter, an occluder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topfive.dataset import _twin_rows as col
from topfive.dataset._twin_look import CHOICES, TRAITS, Look
from topfive.dataset._twin_rows import Numbers, Scene

_HEAD_WAYS = ((0.0, 1.0, 0.0), (0.8, 0.6, 0.0), (0.24, 0.55, 0.8), (1.0, 0.0, 0.0), (0.0, 0.2, 0.98))
"""Unit vectors from a body to its head."""


@dataclass(frozen=True)
class Difficulty:
    """How much pictures of one class vary; 0 takes a cause of variation away."""

    instance_range: float
    colour_range: float
    texture_noise: float
    part_size: float
    pose_range: float
    light_range: float
    background_clutter: float
    occlusion: float


@dataclass(frozen=True)
class Place:
    """Where pictures are taken: how warm (-1 to 1), bright and high its light is, and how it furnishes backgrounds."""

    name: str
    share: float
    warmth: float
    brightness: float
    sun: float
    patterns: tuple[int, ...]
    floor_share: float


PLACES = (
    Place("Avaria", 0.44, 0.0, 1.0, 0.6, (col.MOTTLED, col.MARBLE, col.BRICKS), 0.8),
    Place("Belmora", 0.21, 0.5, 1.15, 0.9, (col.MOTTLED, col.STRIPES, col.CHECKS), 0.9),
    Place("Corvane", 0.14, -0.5, 0.8, 0.3, (col.MOTTLED, col.PATCHES, col.MARBLE), 0.6),
    Place("Dalrisk", 0.10, -0.2, 0.6, 0.45, (col.RINGS, col.ZIGZAG, col.BRICKS), 0.7),
    Place("Esterwen", 0.07, 0.8, 1.0, 0.25, (col.PATCHES, col.SCALES, col.DOTS), 0.4),
    Place("Fennara", 0.04, 0.3, 0.5, 0.8, (col.STRIPES, col.ZIGZAG, col.DOTS), 0.3),
)
"""Made-up countries: the commoner, the more like each other; the rare ones have light and floors of their own."""


def compose(subjects: Sequence[Look], place: Place, difficulty: Difficulty, rng: np.random.Generator) -> Scene:
    """A scene with these solids (none, one, or two side by side), all else drawn at random."""
    parts: list[Numbers] = []
    solids: list[Numbers] = []
    for look in subjects:
        one = look.varied(rng, difficulty.instance_range)
        body = _body(one)
        own = [body, _head(one, body, difficulty.part_size), *_limbs(one, body, difficulty.part_size)]
        _centre(own)
        solids.append(_solid(one, own, difficulty, parts, rng))
    floor = rng.random() < place.floor_share
    _stand(solids, parts, floor, difficulty, rng)
    aim = np.mean([row[col.CENTRE : col.CENTRE + 3] for row in solids], axis=0) if solids else np.zeros(3)
    world = _world(place, difficulty, aim, rng)
    world[col.FLOOR_Y] = -1.0 if floor else -1e6
    for _ in range(rng.poisson(difficulty.background_clutter)):
        solids.append(_clutter(floor, parts, difficulty, rng))
    if subjects and rng.random() < difficulty.occlusion:
        solids.append(_occluder(aim, parts, difficulty, rng))
    return Scene(world, np.array(solids).reshape(-1, col.SOLID_SIZE), np.array(parts).reshape(-1, col.PART_SIZE))


def nudged(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same scene a moment later: camera a little aside, light a little different, new grain."""
    world = scene.world.copy()
    world[col.EYE : col.EYE + 3] += rng.normal(0.0, 0.04, 3)
    world[col.EXPOSURE] *= rng.uniform(0.94, 1.06)
    world[col.FILM] = rng.integers(1 << 20)
    return scene._replace(world=world)


def _colour(hue: float, strong: float, bright: float) -> Numbers:
    """Linear RGB of a hue in turns, a saturation and a brightness in [0, 1]."""
    channels = np.abs((hue * 6.0 + np.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0
    return np.asarray((bright * (1.0 - strong + strong * np.clip(channels, 0.0, 1.0))) ** 2)


def _paint(
    pattern: int, frequency: float, warp_tilt_offset: tuple[float, float, float], first: Numbers, second: Numbers
) -> Numbers:
    warp, tilt, offset = warp_tilt_offset
    return np.array([pattern, frequency, warp, math.cos(tilt), math.sin(tilt), offset, *first, *second])


def _turn(yaw: float, pitch: float, roll: float) -> Numbers:
    """Rotation, 3 x 3: roll about z, then pitch about x, then yaw about y."""
    (cy, sy), (cp, sp), (cr, sr) = ((math.cos(a), math.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def _face(row: Numbers, turn: Numbers) -> None:
    """Turn a solid by a rotation, 3 x 3."""
    row[col.OUTWARD : col.OUTWARD + 9], row[col.INWARD : col.INWARD + 9] = turn.ravel(), turn.T.ravel()


def _upright(way: Sequence[float]) -> Numbers:
    """A rotation, 3 x 3, whose second row is the unit vector `way`: it stands a part's y axis along it."""
    x, y, z = way
    # Across both `way` and the axis it is least along; by hand, since np.cross would take a tenth of a picture's time.
    side = (y, -x, 0.0) if abs(z) < 0.9 else (0.0, z, -y)
    length = math.hypot(*side)
    a, b, c = (value / length for value in side)
    return np.array([[a, b, c], [x, y, z], [b * z - c * y, c * x - a * z, a * y - b * x]])


def _reach(kind: int, half: Numbers) -> float:
    """Radius of the sphere around a part: its corner for the kinds that have one."""
    a, b, c = half
    across = max(a, c)
    if kind in (col.BOX, col.SUPERQUADRIC):
        return math.sqrt(a * a + b * b + c * c)
    return math.hypot(across, b) if kind in (col.CYLINDER, col.CONE) else max(across, b)


def _part(kind: int, place: Numbers, axes: Numbers, half: Numbers, power: float) -> Numbers:
    row = np.zeros(col.PART_SIZE)
    row[col.KIND], row[col.POWER], row[col.REACH] = kind, power, _reach(kind, half)
    row[col.PLACE : col.PLACE + 3], row[col.AXES : col.AXES + 9] = place, axes.ravel()
    row[col.HALF : col.HALF + 3] = half
    return row


def _power(look: Look) -> float:
    """The superquadric's exponent: 2 is round, below are edges across the axes, above is a box."""
    return 1.2 + 4.0 * look.scaled["round"]


def _body(look: Look) -> Numbers:
    """The body at the origin: from three times as wide as high to three times as high as wide."""
    tall = 3.0 ** (look.scaled["tall"] - 0.5)
    half = np.array([1.0 / tall, tall, (0.5 + 0.5 * look.scaled["flat"]) / tall])
    return _part(look.chosen["body"], np.zeros(3), np.eye(3), 0.62 * half / half.max(), _power(look))


def _on_body(body: Numbers, way: tuple[float, float, float]) -> Numbers:
    """Where a ray from the body's centre leaves it, for a direction given in units of its half sizes."""
    x, y, z = way
    kind, around = int(body[col.KIND]), math.hypot(x, z)
    if kind == col.TORUS:
        # Nothing is at its centre: in the flesh of the ring instead, above or below.
        a, b, c = body[col.HALF : col.HALF + 3]
        thick, (x, z) = 0.34 * min(a, b), ((x / around, z / around) if around > 0.1 else (0.0, 1.0))
        return np.array([x * (a - thick), 0.8 * thick * y / math.hypot(around, y), z * (a - thick) * c / a])
    if kind == col.BOX:
        reach = max(abs(x), abs(y), abs(z))
    elif kind == col.CYLINDER:
        reach = max(around, abs(y))
    elif kind == col.CONE:
        reach = max(2.0 * around + y, -y)
    else:
        power = body[col.POWER] if kind == col.SUPERQUADRIC else 2.0
        reach = (abs(x) ** power + abs(y) ** power + abs(z) ** power) ** (1.0 / power)
    return np.asarray(body[col.HALF : col.HALF + 3] * (x / reach, y / reach, z / reach))


def _jutting(kind: int, foot: Numbers, out: tuple[float, ...], size: tuple[float, float], power: float) -> Numbers:
    """A part of this thickness and length that sticks out of a body; a torus stands on edge, like a handle."""
    thick, long_ = size
    axes, half = _upright(out), np.array([thick, long_, thick])
    if kind == col.TORUS:
        axes, half = axes[[1, 0, 2]], np.array([long_, max(thick, 0.6 * long_), long_])
    return _part(kind, foot + 0.6 * long_ * np.array(out), axes, half, power)


def _head(look: Look, body: Numbers, part_size: float) -> Numbers:
    """The head: on top of the body, at a corner, in front, or aside."""
    t, way = look.scaled, _HEAD_WAYS[look.chosen["head_place"]]
    thick = (0.22 + 0.25 * t["head_size"]) * part_size
    size = (thick, thick * 2.0 ** (1.6 * t["head_tall"] - 0.6))
    return _jutting(look.chosen["head"], _on_body(body, way), way, size, _power(look))


def _limbs(look: Look, body: Numbers, part_size: float) -> list[Numbers]:
    """None to three equal limbs on the body: legs, horns, arms, or spikes about the waist."""
    chosen, t = look.chosen, look.scaled
    size = ((0.09 + 0.14 * t["limb_size"]) * part_size, (0.22 + 0.38 * t["limb_long"]) * part_size)
    arms = chosen["limb_place"] == 2
    rise, aside = ((-1.0, 0.45), (1.0, 0.45), (0.4, 0.9), (0.0, 0.9))[chosen["limb_place"]]
    splay, limbs = 0.15 + 0.9 * t["limb_splay"], []
    for number in range(chosen["limbs"]):
        spin = 2.0 * math.pi * (number + t["limb_spread"]) / chosen["limbs"]
        x, z = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0))[number] if arms else (math.cos(spin), math.sin(spin))
        foot = _on_body(body, (x * aside, 0.75 * rise, z * aside))
        length = math.hypot(splay, rise)
        out = (x * splay / length, rise / length, z * splay / length)
        limbs.append(_jutting(chosen["limb"], foot, out, size, _power(look)))
    return limbs


def _centre(parts: Sequence[Numbers]) -> None:
    """Move parts together so that the middle of their extent is the origin."""
    place, half = (np.array([part[at : at + 3] for part in parts]) for at in (col.PLACE, col.HALF))
    reach = half.max(axis=1, keepdims=True)
    middle = ((place - reach).min(axis=0) + (place + reach).max(axis=0)) / 2.0
    for part in parts:
        part[col.PLACE : col.PLACE + 3] -= middle


def _solid(
    look: Look, own: list[Numbers], difficulty: Difficulty, parts: list[Numbers], rng: np.random.Generator
) -> Numbers:
    """Append a solid's `own` parts and give its row, painted, but not yet placed or turned."""
    t, row = look.scaled, np.zeros(col.SOLID_SIZE)
    row[col.FIRST], row[col.LAST] = len(parts), len(parts) + len(own)
    parts.extend(own)
    reach = max(math.hypot(*part[col.PLACE : col.PLACE + 3]) + part[col.HALF : col.HALF + 3].max() for part in own)
    # Between equal reach and equal bulk: else thin solids would be lines and round ones fill the picture.
    bulk = sum(math.prod(part[col.HALF : col.HALF + 3]) for part in own) ** (1.0 / 3.0)
    row[col.SCALE] = min(0.85 / (reach**0.6 * bulk**0.4), 1.15 / reach)
    row[col.BLEND] = 0.02 + 0.3 * max(t["blend"] - 0.3, 0.0)
    row[col.BEND], row[col.TAPER] = 0.9 * _beyond(t["bend"]), 0.9 * _beyond(t["taper"])
    row[col.TWIST], row[col.GLOSS] = 2.0 * _beyond(t["twist"]), max(t["gloss"] - 0.25, 0.0) / 0.75
    _bound(row, own)
    _coat(row, look, difficulty, rng)
    return row


def _coat(row: Numbers, look: Look, difficulty: Difficulty, rng: np.random.Generator) -> None:
    """Paint a solid: the look's colours and pattern, as this one picture varies them."""
    chosen, t, shift, rough = look.chosen, look.scaled, difficulty.colour_range, difficulty.texture_noise
    hue = t["hue"] + rng.normal(0.0, 0.16 * shift)
    strong = min(max(0.25 + 0.6 * t["strong"] + rng.normal(0.0, 0.15 * shift), 0.0), 0.95)
    bright = min(max(0.55 + 0.35 * t["bright"] + rng.normal(0.0, 0.12 * shift), 0.25), 1.0)
    other = hue + 0.12 + 0.76 * t["second_hue"]
    first = _colour(hue, strong, bright)
    second = _colour(
        *(
            (other, strong, bright),
            (hue, 0.6 * strong, 0.35 * bright),
            (hue, 0.25 * strong, min(1.0, 1.5 * bright)),
            (other, 0.8, 0.45),
            (other, 0.12, 0.95),
        )[chosen["scheme"]]
    )
    second += (first - second) * min(abs(rng.normal(0.0, 0.5 * rough)), 0.8)
    frequency = 2.2 * 3.0 ** t["frequency"] * math.exp(rng.normal(0.0, 0.25 * rough))
    warp = 0.5 * t["warp"] ** 2 + 0.5 * rough * rng.random()
    tilt = math.pi * (t["tilt"] + rng.normal(0.0, 0.1 * rough))
    paint = _paint(chosen["pattern"], frequency, (warp, tilt, rng.uniform(0.0, 40.0)), first, second)
    row[col.PAINT : col.PAINT + col.PAINT_SIZE] = paint
    row[col.ACCENT_SHARE] = float(t["accent"] > 0.5)
    row[col.ACCENT : col.ACCENT + 3] = _colour(other + 0.5 * (t["accent"] - 0.5), strong, bright)


def _bound(row: Numbers, parts: Sequence[Numbers]) -> None:
    """Set the radius of the sphere that holds these parts, as bent and tapered."""
    reach = max(math.hypot(*part[col.PLACE : col.PLACE + 3]) + part[col.REACH] for part in parts)
    row[col.BOUND] = reach * (1.0 + abs(row[col.TAPER])) + abs(row[col.BEND]) * max(0.3, reach * reach - 0.3) + 0.02


def _beyond(trait: float) -> float:
    """A signed deformation: none for the middle half of a trait, up to 0.5 either way at its ends."""
    return math.copysign(2.0 * max(abs(trait - 0.5) - 0.25, 0.0), trait - 0.5)


def _lowest(turn: Numbers, part: Numbers) -> float:
    """How low a part of a turned solid reaches, taken for an ellipsoid."""
    down = turn[1] @ part[col.AXES : col.AXES + 9].reshape(3, 3).T
    return float(turn[1] @ part[col.PLACE : col.PLACE + 3]) - math.hypot(*(down * part[col.HALF : col.HALF + 3]))


def _stand(
    solids: list[Numbers], parts: list[Numbers], floor: bool, difficulty: Difficulty, rng: np.random.Generator
) -> None:
    """Turn, scale and place the subjects: on the floor or in the air, side by side where they are two."""
    many = len(solids) > 1
    for number, row in enumerate(solids):
        free = difficulty.pose_range
        turn = _turn(*(rng.uniform(-1.0, 1.0, 3) * (free, 0.3 * free, 0.3 * free) + (0.5, 0.0, 0.0)))
        _face(row, turn)
        row[col.SCALE] *= rng.uniform(0.55, 0.7) if many else rng.uniform(0.7, 1.1)
        low = min(_lowest(turn, part) for part in parts[int(row[col.FIRST]) : int(row[col.LAST])])
        row[col.CENTRE] = rng.uniform(-0.25, 0.25) + (1.5 * number - 0.75 if many else 0.0)
        row[col.CENTRE + 1] = -1.0 - low * row[col.SCALE] if floor else rng.uniform(-0.2, 0.2)
        row[col.CENTRE + 2] = rng.uniform(-0.3, 0.3)


def _anything(difficulty: Difficulty, parts: list[Numbers], rng: np.random.Generator) -> Numbers:
    """A solid of one part that belongs to no class."""
    look = Look(rng.integers(0, np.array(list(CHOICES.values()))), rng.random(len(TRAITS)))
    row = _solid(look, [_body(look)], difficulty, parts, rng)
    _face(row, _turn(*rng.uniform(-math.pi, math.pi, 3)))
    return row


def _clutter(floor: bool, parts: list[Numbers], difficulty: Difficulty, rng: np.random.Generator) -> Numbers:
    """A solid of no class behind the subject."""
    row = _anything(difficulty, parts, rng)
    row[col.SCALE] = rng.uniform(0.4, 1.0)
    deep = rng.uniform(-3.2, -1.6)
    row[col.CENTRE], row[col.CENTRE + 2] = rng.uniform(-2.2, 2.2), deep
    row[col.CENTRE + 1] = -1.0 + 0.4 * row[col.SCALE] if floor else rng.uniform(-1.6, 1.6)
    row[col.HAZE] = 0.12 * -deep
    return row


def _occluder(aim: Numbers, parts: list[Numbers], difficulty: Difficulty, rng: np.random.Generator) -> Numbers:
    """A solid of no class before the subject, that hides a side of it."""
    row = _anything(difficulty, parts, rng)
    row[col.SCALE] = rng.uniform(0.5, 0.8)
    around = rng.uniform(0.0, 2.0 * math.pi)
    away = rng.uniform(0.55, 0.85)
    row[col.CENTRE : col.CENTRE + 3] = aim + np.array([away * math.cos(around), away * math.sin(around), 1.5])
    return row


def _world(place: Place, difficulty: Difficulty, aim: Numbers, rng: np.random.Generator) -> Numbers:
    """Light, camera, film, floor and wall of a place."""
    row = np.zeros(col.WORLD_SIZE)
    free = difficulty.light_range
    around, height = rng.uniform(-1.2, 1.2) * free, np.clip(place.sun + rng.normal(0.0, 0.25) * free, 0.15, 1.3)
    row[col.LIGHT : col.LIGHT + 3] = (
        math.sin(around) * math.cos(height),
        math.sin(height),
        math.cos(around) * math.cos(height),
    )
    warm = place.warmth + rng.normal(0.0, 0.5) * free
    tint = np.array([1.0 + 0.22 * warm, 1.0, 1.0 - 0.25 * warm]).clip(0.4, 1.6)
    row[col.LIGHT_COLOUR : col.LIGHT_COLOUR + 3] = 1.25 * tint * math.exp(rng.normal(0.0, 0.2) * free)
    row[col.SKY : col.SKY + 3] = (0.42 + 0.12 * rng.random()) * np.array([0.95, 1.0, 1.1]) / np.sqrt(tint)
    row[col.EXPOSURE] = place.brightness * math.exp(rng.normal(0.0, 0.22) * free)
    row[col.GRAIN], row[col.VIGNETTE], row[col.FILM] = (
        rng.uniform(0.0, 0.05),
        rng.uniform(0.0, 0.25),
        rng.integers(1 << 20),
    )
    row[col.WALL_Z] = rng.uniform(-4.5, -3.0)
    for at in (col.FLOOR, col.WALL):
        pattern = int(rng.choice(place.patterns))
        bright, hue = rng.uniform(0.3, 0.95), rng.random()
        near = hue + rng.normal(0.0, 0.15)
        first = _colour(hue, rng.uniform(0.0, 0.45), bright)
        second = _colour(near, rng.uniform(0.0, 0.45), float(np.clip(bright + rng.normal(0.0, 0.12), 0.1, 1.0)))
        how = (rng.uniform(0.0, 0.4), rng.uniform(0.0, math.pi), rng.uniform(0.0, 40.0))
        row[at : at + col.PAINT_SIZE] = _paint(pattern, rng.uniform(0.5, 1.6), how, first, second)
    row[col.BOUNCE : col.BOUNCE + 3] = 0.25 * row[col.FLOOR + 6 : col.FLOOR + 9] + 0.1
    rise, distance = rng.uniform(0.05, 0.5), 5.0
    aim = aim + rng.uniform(-0.22, 0.22, 3)
    ahead = np.array([0.0, -math.sin(rise), -math.cos(rise)])
    right = np.array([1.0, 0.0, 0.0])
    lean = rng.normal(0.0, 0.08)
    up = np.cross(right, ahead)
    row[col.EYE : col.EYE + 3] = aim - distance * ahead
    row[col.RIGHT : col.RIGHT + 3] = math.cos(lean) * right + math.sin(lean) * up
    row[col.UP : col.UP + 3] = math.cos(lean) * up - math.sin(lean) * right
    row[col.AHEAD : col.AHEAD + 3], row[col.FOCAL] = ahead, 4.3
    return row
