from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from topfive.dataset import _twin_rows as col
from topfive.dataset._twin_look import CHOICES, TRAITS, Look
from topfive.dataset._twin_render import _field, _hit, _part_distance, render
from topfive.dataset._twin_rows import Scene
from topfive.dataset._twin_scene import PLACES, Difficulty, _on_body, _part, compose, nudged

USUAL = Difficulty(0.05, 1.0, 0.3, 1.0, 0.9, 1.0, 2.0, 0.3)
STILL = Difficulty(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def _any_look(rng: np.random.Generator) -> Look:
    return Look(rng.integers(0, np.array(list(CHOICES.values()))), rng.random(len(TRAITS)))


def _one(kind: int, half: tuple[float, float, float], power: float = 2.0) -> np.ndarray:
    return _part(kind, np.zeros(3), np.eye(3), np.array(half), power)[None]


def _ball(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A solid of one ball at the origin, not turned, scaled or bent."""
    solid = np.zeros((1, col.SOLID_SIZE))
    solid[0, col.OUTWARD : col.OUTWARD + 9] = solid[0, col.INWARD : col.INWARD + 9] = np.eye(3).ravel()
    solid[0, col.SCALE], solid[0, col.BOUND], solid[0, col.BLEND], solid[0, col.LAST] = 1.0, radius, 0.02, 1
    return solid, _one(col.ELLIPSOID, (radius, radius, radius))


@pytest.mark.parametrize(
    ("kind", "half", "point", "distance"),
    [
        (col.ELLIPSOID, (0.5, 0.5, 0.5), (1.5, 0.0, 0.0), 1.0),
        (col.BOX, (0.5, 0.4, 0.3), (1.5, 0.0, 0.0), 1.0),
        (col.BOX, (0.5, 0.4, 0.3), (0.0, 0.0, 0.2), -0.1),
        (col.CYLINDER, (0.5, 0.4, 0.5), (0.0, 1.4, 0.0), 1.0),
        (col.CAPSULE, (0.2, 0.6, 0.2), (0.0, 1.0, 0.0), 0.4),
        (col.CAPSULE, (0.2, 0.6, 0.2), (1.2, 0.4, 0.0), 1.0),
        (col.CONE, (0.5, 0.5, 0.5), (0.0, -1.5, 0.0), 1.0),
        (col.CONE, (1.0, 0.5, 1.0), (1.0, 0.5, 0.0), math.sqrt(0.5)),
        (col.TORUS, (0.5, 0.5, 0.5), (0.5, 0.0, 0.0), 0.0),
        (col.TORUS, (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), 0.16),
        (col.SUPERQUADRIC, (0.5, 0.5, 0.5), (1.5, 0.0, 0.0), 1.0),
    ],
)
def test_distance_by_hand(kind: int, half: tuple, point: tuple, distance: float) -> None:
    assert _part_distance(_one(kind, half), 0, *point) == pytest.approx(distance, abs=1e-9)


def test_no_part_overstates_its_distance_by_much() -> None:
    # The oracle: no point of the surface, found by sampling the field's sign, is much nearer than the bound says.
    rng = np.random.default_rng(0)
    cloud = rng.uniform(-1.2, 1.2, (6000, 3))
    for kind in range(7):
        part = _one(kind, (0.6, 0.5, 0.4), 3.0)
        inside = np.array([point for point in cloud if _part_distance(part, 0, *point) < 0.0])
        assert len(inside) > 50
        for point in rng.uniform(-1.2, 1.2, (60, 3)):
            bound = _part_distance(part, 0, *point)
            nearest = np.linalg.norm(inside - point, axis=1).min()
            assert bound <= nearest * 1.25 + 1e-9


@pytest.mark.parametrize(
    "kind", [col.ELLIPSOID, col.SUPERQUADRIC, col.BOX, col.CYLINDER, col.CONE, col.CAPSULE, col.TORUS]
)
def test_parts_stick_to_the_surface_of_a_body(kind: int) -> None:
    body = _one(kind, (0.4, 0.6, 0.3), 3.0)
    for way in np.random.default_rng(0).normal(size=(50, 3)):
        foot = _on_body(body[0], tuple(way.tolist()))
        d = _part_distance(body, 0, *foot)
        # Rounded edges and a capsule's waist lie a little off; the ring is met in its flesh.
        assert -0.14 < d < 0.08


def test_parts_reach_no_further_than_their_sphere() -> None:
    rng = np.random.default_rng(1)
    for seed in range(40):
        scene = compose([_any_look(rng)], PLACES[0], STILL, np.random.default_rng(seed))
        for part in range(len(scene.parts)):
            row = scene.parts[part]
            for way in rng.normal(size=(30, 3)):
                x, y, z = way / np.linalg.norm(way) * (row[col.REACH] + 1e-6)
                assert _part_distance(scene.parts, part, x, y, z) > -1e-9


def test_a_solid_lies_within_its_bound() -> None:
    rng = np.random.default_rng(2)
    for seed in range(40):
        scene = compose([_any_look(rng)], PLACES[0], STILL, np.random.default_rng(seed))
        for way in rng.normal(size=(60, 3)):
            x, y, z = way / np.linalg.norm(way) * (scene.solids[0, col.BOUND] + 1e-6)
            assert _field(scene.solids, 0, scene.parts, (x, y, z))[0] > 0.0


def test_rays_meet_a_ball_where_geometry_says() -> None:
    solids, parts = _ball(0.7)
    for x, y in np.random.default_rng(0).uniform(-0.9, 0.9, (200, 2)):
        t, solid, _ = _hit(solids, parts, (x, y, 5.0), (0.0, 0.0, -1.0))
        room = 0.49 - x * x - y * y
        if room > 0.01:
            assert solid == 0
            assert t == pytest.approx(5.0 - math.sqrt(room), abs=0.04)
        if room < -0.05:
            assert solid == -1


def test_pictures_are_a_function_of_the_scene_on_any_thread() -> None:
    rng = np.random.default_rng(0)
    scenes = [compose([_any_look(rng)], PLACES[i % 6], USUAL, rng) for i in range(8)]
    alone = [render(scene, 32) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda scene: render(scene, 32), scenes))
    for a, b in zip(alone, together, strict=True):
        assert a.shape == (32, 32, 3)
        assert a.dtype == np.uint8
        assert np.array_equal(a, b)
        assert a.std() > 2


def test_scenes_of_none_one_and_two() -> None:
    rng = np.random.default_rng(3)
    a, b = _any_look(rng), _any_look(rng)
    for n, subjects in enumerate([[], [a], [a, b]]):
        scene = compose(subjects, PLACES[0], STILL, np.random.default_rng(0))
        assert len(scene.solids) == n
        assert np.all(np.isfinite(scene.world))
        assert render(scene, 24).shape == (24, 24, 3)


def test_a_nudged_scene_is_near_and_not_equal() -> None:
    rng = np.random.default_rng(4)
    scene = compose([_any_look(rng)], PLACES[0], USUAL, rng)
    before, after = render(scene, 48).astype(float), render(nudged(scene, rng), 48).astype(float)
    assert 0.1 < np.abs(before - after).mean() < 20


def test_places_add_up_and_differ() -> None:
    assert sum(place.share for place in PLACES) == pytest.approx(1.0)
    rng = np.random.default_rng(5)
    look = _any_look(rng)
    means = []
    for place in PLACES:
        shots = [render(compose([look], place, USUAL, np.random.default_rng(i)), 16) for i in range(40)]
        means.append(np.mean(shots))
    assert np.ptp(means) > 20


def _digest(scenes: list[Scene]) -> str:
    return hashlib.sha256(b"".join(render(scene, 24).tobytes() for scene in scenes)).hexdigest()


@pytest.mark.slow
def test_freshly_compiled_code_draws_the_same(tmp_path: Path) -> None:
    # Numba's cache does not see changed columns: a stale one would draw other pictures here than in a fresh clone.
    lines = (
        "import sys, importlib.util",
        f"spec = importlib.util.spec_from_file_location('here', {__file__!r})",
        "here = importlib.util.module_from_spec(spec)",
        "spec.loader.exec_module(here)",
        "print(here._digest(here.some_scenes()))",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == _digest(some_scenes())


def some_scenes() -> list[Scene]:
    rng = np.random.default_rng(6)
    return [compose([_any_look(rng)], PLACES[i % 6], USUAL, rng) for i in range(6)]


def test_importing_the_room_loads_no_compiler() -> None:
    code = "import topfive.dataset, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    code = "from topfive.dataset import TwinRecipe; import sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
