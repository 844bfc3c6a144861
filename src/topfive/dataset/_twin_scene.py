"""From looks to a scene's numbers: solids and their parts, pose, camera, light, background, clutter, an occluder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topfive.dataset import _twin_rows as col
from topfive.dataset._twin_look import CHOICES, TRAITS, Look
from topfive.dataset._twin_rows import Numbers, Scene


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
    Place("Avaria", 0.44, 0.0, 1.0, 0.6, (0, 2, 7), 0.8),
    Place("Belmora", 0.21, 0.5, 1.15, 0.9, (0, 4, 6), 0.9),
    Place("Corvane", 0.14, -0.5, 0.8, 0.3, (0, 1, 2), 0.6),
    Place("Dalrisk", 0.10, -0.2, 0.6, 0.45, (3, 5, 7), 0.7),
    Place("Esterwen", 0.07, 0.8, 1.0, 0.25, (1, 8, 9), 0.4),
    Place("Fennara", 0.04, 0.3, 0.5, 0.8, (4, 5, 9), 0.3),
)
"""Made-up countries: the commoner, the more like each other; the rare ones have light and floors of their own."""


def compose(subjects: Sequence[Look], place: Place, difficulty: Difficulty, rng: np.random.Generator) -> Scene:
    """A scene with these solids (none, one, or two side by side), all else drawn at random."""
    parts: list[Numbers] = []
    solids: list[Numbers] = []
    for look in subjects:
        solids.append(_solid(look.varied(rng, difficulty.instance_range), difficulty, parts, rng))
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


def _paint(pattern: int, frequency: float, warp: float, tilt: float, colours: tuple[Numbers, Numbers]) -> Numbers:
    return np.concatenate([[pattern, frequency, warp, math.cos(tilt), math.sin(tilt), 0.0], colours[0], colours[1]])


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


def _upright(way: Numbers) -> Numbers:
    """A rotation, 3 x 3, whose second row is `way`: it stands a part's y axis along it."""
    way = way / np.linalg.norm(way)
    side = np.cross(way, [0.0, 0.0, 1.0] if abs(way[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    return np.array([side, way, np.cross(side, way)])


def _reach(kind: int, half: Numbers) -> float:
    """Radius of the sphere around a part: its corner for the kinds that have one."""
    a, b, c = half
    across = max(a, c)
    if kind in (col.BOX, col.SUPERQUADRIC):
        return math.sqrt(a * a + b * b + c * c)
    return math.hypot(across, b) if kind in (col.CYLINDER, col.CONE) else max(across, b)


def _part(kind: int, place: Numbers, axes: Numbers, half: Numbers, power: float) -> Numbers:
    row = np.zeros(col.PART_SIZE)
    row[col.KIND], row[col.POWER] = kind, power
    row[col.PLACE : col.PLACE + 3], row[col.AXES : col.AXES + 9], row[col.HALF : col.HALF + 3] = (
        place,
        axes.ravel(),
        half,
    )
    row[col.REACH] = _reach(kind, half)
    return row


def _body_half(look: Look) -> Numbers:
    """Half sizes of the body: from three times as wide as high to three times as high as wide."""
    tall = 3.0 ** (look.scaled["tall"] - 0.5)
    half = np.array([1.0 / tall, tall, (0.5 + 0.5 * look.scaled["flat"]) / tall])
    return np.asarray(0.62 * half / half.max())


def _attached(look: Look, difficulty: Difficulty) -> list[Numbers]:
    """The parts of a solid in its own space: body, head, and none to three limbs placed by one rule."""
    chosen, t = look.chosen, look.scaled
    half, power = _body_half(look), 1.2 + 4.0 * t["round"]
    parts = [_part(chosen["body"], np.zeros(3), np.eye(3), half, power)]
    ways = ((0.0, 1.0, 0.0), (0.8, 0.6, 0.0), (0.25, 0.55, 0.8), (1.0, 0.0, 0.0), (0.0, 0.2, 1.0))
    way = np.array(ways[chosen["head_place"]])
    size = (0.22 + 0.25 * t["head_size"]) * difficulty.part_size
    tall = 2.0 ** (1.6 * t["head_tall"] - 0.6)
    where = way * half / max(float(np.linalg.norm(way)), 1e-9)
    parts.append(_part(chosen["head"], where * 1.15, _upright(way), np.array([size, size * tall, size]), power))
    thick = (0.09 + 0.14 * t["limb_size"]) * difficulty.part_size
    long_ = (0.22 + 0.38 * t["limb_long"]) * difficulty.part_size
    splay = 0.15 + 0.9 * t["limb_splay"]
    for number in range(chosen["limbs"]):
        # Legs below, horns above, arms aside, spikes about the waist.
        spin = 2.0 * math.pi * (number + t["limb_spread"]) / chosen["limbs"]
        aside = np.array([math.cos(spin), 0.0, math.sin(spin)])
        if chosen["limb_place"] == 2:
            aside = np.array([1.0 if number % 2 == 0 else -1.0, 0.0, 0.35 * (number == 2)])
        rise = (-1.0, 1.0, 0.4, 0.0)[chosen["limb_place"]]
        root = half * (aside * (0.45 if abs(rise) == 1.0 else 0.9) + np.array([0.0, 0.75 * rise, 0.0]))
        out = aside * splay + np.array([0.0, rise, 0.0])
        out = out / np.linalg.norm(out)
        axes = _upright(out)
        parts.append(_part(chosen["limb"], root + 0.7 * long_ * out, axes, np.array([thick, long_, thick]), power))
    return parts


def _solid(look: Look, difficulty: Difficulty, parts: list[Numbers], rng: np.random.Generator) -> Numbers:
    """Append a look's parts and give its solid, unplaced and not turned."""
    chosen, t = look.chosen, look.scaled
    row = np.zeros(col.SOLID_SIZE)
    own = _attached(look, difficulty)
    reach = max(
        float(np.linalg.norm(part[col.PLACE : col.PLACE + 3]) + part[col.HALF : col.HALF + 3].max()) for part in own
    )
    row[col.FIRST], row[col.LAST] = len(parts), len(parts) + len(own)
    parts.extend(own)
    # Between equal reach and equal bulk: else thin solids would be lines and round ones fill the picture.
    bulk = sum(float(np.prod(part[col.HALF : col.HALF + 3])) for part in own) ** (1.0 / 3.0)
    row[col.SCALE] = 0.85 / (reach**0.6 * bulk**0.4)
    row[col.BLEND] = 0.02 + 0.3 * max(t["blend"] - 0.3, 0.0)
    row[col.BEND] = 0.9 * _beyond(t["bend"])
    row[col.TAPER] = 0.9 * _beyond(t["taper"])
    row[col.TWIST] = 2.0 * _beyond(t["twist"])
    _bound(row, own)
    row[col.GLOSS] = max(t["gloss"] - 0.25, 0.0) / 0.75
    shift = difficulty.colour_range
    hue = t["hue"] + rng.normal(0.0, 0.16 * shift)
    strong = float(np.clip(0.25 + 0.6 * t["strong"] + rng.normal(0.0, 0.15 * shift), 0.0, 0.95))
    bright = float(np.clip(0.55 + 0.35 * t["bright"] + rng.normal(0.0, 0.12 * shift), 0.25, 1.0))
    first = _colour(hue, strong, bright)
    turned = hue + 0.12 + 0.76 * t["second_hue"]
    second = (
        _colour(turned, strong, bright),
        _colour(hue, 0.6 * strong, 0.35 * bright),
        _colour(hue, 0.25 * strong, min(1.0, 1.5 * bright)),
        _colour(turned, 0.8, 0.45),
        _colour(turned, 0.12, 0.95),
    )[chosen["scheme"]]
    # Noise in the coat itself blurs the second colour towards the first.
    second = second + (first - second) * min(abs(rng.normal(0.0, 0.5 * difficulty.texture_noise)), 0.8)
    frequency = 2.2 * 3.0 ** t["frequency"] * math.exp(rng.normal(0.0, 0.25 * difficulty.texture_noise))
    warp = 0.5 * t["warp"] ** 2 + 0.5 * difficulty.texture_noise * rng.random()
    tilt = math.pi * (t["tilt"] + rng.normal(0.0, 0.1 * difficulty.texture_noise))
    row[col.PAINT : col.PAINT + col.PAINT_SIZE] = _paint(chosen["pattern"], frequency, warp, tilt, (first, second))
    row[col.PAINT + 5] = rng.uniform(0.0, 40.0)
    row[col.ACCENT_SHARE] = float(t["accent"] > 0.5)
    row[col.ACCENT : col.ACCENT + 3] = _colour(turned + 0.5 * (t["accent"] - 0.5), strong, bright)
    return row


def _bound(row: Numbers, parts: Sequence[Numbers]) -> None:
    """Set the radius of the sphere that holds these parts, as bent and tapered."""
    reach = max(float(np.linalg.norm(part[col.PLACE : col.PLACE + 3]) + part[col.REACH]) for part in parts)
    row[col.BOUND] = reach * (1.0 + abs(row[col.TAPER])) + abs(row[col.BEND]) * max(0.3, reach * reach - 0.3) + 0.02


def _beyond(trait: float) -> float:
    """A signed deformation: none for the middle half of a trait, up to 0.5 either way at its ends."""
    return math.copysign(2.0 * max(abs(trait - 0.5) - 0.25, 0.0), trait - 0.5)


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
        low = min(
            float((turn @ part[col.PLACE : col.PLACE + 3])[1])
            - float(
                np.linalg.norm(
                    (turn @ part[col.AXES : col.AXES + 9].reshape(3, 3).T)[1] * part[col.HALF : col.HALF + 3]
                )
            )
            for part in parts[int(row[col.FIRST]) : int(row[col.LAST])]
        )
        row[col.CENTRE] = rng.uniform(-0.25, 0.25) + (1.5 * number - 0.75 if many else 0.0)
        row[col.CENTRE + 1] = -1.0 - low * row[col.SCALE] if floor else rng.uniform(-0.2, 0.2)
        row[col.CENTRE + 2] = rng.uniform(-0.3, 0.3)


def _anything(difficulty: Difficulty, parts: list[Numbers], rng: np.random.Generator) -> Numbers:
    """A solid of one part that belongs to no class."""
    look = Look(rng.integers(0, np.array(list(CHOICES.values()))), rng.random(len(TRAITS)))
    row = _solid(look, difficulty, parts, rng)
    del parts[int(row[col.FIRST]) + 1 :]
    row[col.LAST] = len(parts)
    half = parts[-1][col.HALF : col.HALF + 3]
    half[:] = half * rng.uniform(0.7, 1.3, 3)
    parts[-1][col.REACH] = _reach(int(parts[-1][col.KIND]), half)
    _bound(row, parts[-1:])
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
        row[at : at + col.PAINT_SIZE] = _paint(
            pattern, rng.uniform(0.5, 1.6), rng.uniform(0.0, 0.4), rng.uniform(0.0, math.pi), (first, second)
        )
        row[at + 5] = rng.uniform(0.0, 40.0)
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
