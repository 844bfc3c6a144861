"""The synthetic twin: a rendered image set whose likeness follows the WordNet tree, with planted, recorded troubles."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.dataset._twin_look import Kinship, Look, choose, looks
from topfive.dataset._twin_plan import WAYS, Plan, Troubles, make_plan
from topfive.dataset._twin_rows import Scene
from topfive.dataset._twin_scene import PLACES, Difficulty, compose, nudged
from topfive.dataset.croissant import archive, describe
from topfive.dataset.ilsvrc_counts import ilsvrc_train_counts
from topfive.dataset.planted import Planted, read_planted
from topfive.records import (
    SPLITS,
    BadInput,
    ClassList,
    Dataset,
    Manifest,
    Progress,
    digest_json,
    growing_folder,
    replacing,
    silent,
)
from topfive.taxonomy import ilsvrc_classes, wordnet

__all__ = ["Planted", "TwinEstimate", "TwinRecipe", "estimate_twin", "make_twin", "read_planted"]

_SHARD = 1000
"""Pictures a tar; also how many are held in memory at once."""
_NOTES = ".rows"
"""The folder of notes about finished shards, there only while a twin is made."""
_SAMPLE = 24
"""Pictures that are drawn to estimate size and time."""


@dataclass(frozen=True)
class TwinRecipe:
    """A twin in full: the same recipe gives the same bytes (on one machine, with one set of library versions).

    `train`, `val` and `test` are pictures a class, `size` is in pixels. `ilsvrc` takes ILSVRC2012's 1,000 classes and
    `fraction` of its counts (732 to 1,300 pictures a class to train on, 50 in val, 100 in test; at least one) in place
    of these. Shares are of the pictures of a split: `label_noise` wrong labels, `picture_noise` of them because of the
    picture's own looks.
    `leaks` are copies of training pictures in val and test. The rest is difficulty: 0 takes a cause of it away.
    """

    classes: int = 20
    train: int = 100
    val: int = 20
    test: int = 50
    size: int = 96
    label_noise: float = 0.06
    seed: int = 0
    ilsvrc: bool = False
    fraction: float = 1.0
    picture_noise: float = 0.4
    two_labels: float = 0.03
    no_label: float = 0.015
    duplicates: float = 0.015
    leaks: float = 0.01
    imbalance: float = 0.25
    sibling_distance: float = 1.0
    instance_range: float = 0.05
    colour_range: float = 0.5
    texture_noise: float = 0.3
    part_size: float = 1.0
    pose_range: float = 0.7
    light_range: float = 0.8
    background_clutter: float = 1.5
    occlusion: float = 0.25

    @property
    def n_classes(self) -> int:
        """1,000 with `ilsvrc`, else `classes`."""
        return 1000 if self.ilsvrc else self.classes

    @property
    def per_class(self) -> tuple[int | NDArray[np.int64], ...]:
        """Pictures of a class in train, val and test: means, or with `ilsvrc` the counts of each class."""
        if not self.ilsvrc:
            return self.train, self.val, self.test
        counts = (ilsvrc_train_counts(), np.full(1000, 50), np.full(1000, 100))
        return tuple(np.maximum(1, np.rint(self.fraction * count)).astype(np.int64) for count in counts)

    def check(self) -> None:
        """Raise BadInput naming the first field that no twin can be made from."""
        limits: dict[str, tuple[float, float]] = {"classes": (2, 1000), "size": (16, 1024), "seed": (0, 2**63 - 1)}
        limits |= dict.fromkeys(SPLITS, (1, 100_000))
        limits |= dict.fromkeys(("label_noise", "two_labels", "no_label", "duplicates", "leaks"), (0.0, 0.5))
        limits |= dict.fromkeys(("picture_noise", "occlusion"), (0.0, 1.0))
        limits |= {"fraction": (0.0, 1.0)} | {
            "part_size": (0.3, 2.0),
            "pose_range": (0.0, 3.2),
            "background_clutter": (0.0, 12.0),
        }
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = limits.get(field.name, (0.0, 3.0))
            whole = field.type == "int"
            if not low <= value <= high or (whole and value != int(value)):
                number = "a whole number" if whole else "a number"
                raise BadInput(
                    f"{value} is out of range",
                    where="twin recipe",
                    row=field.name,
                    fix=f"Give {number} from {low} to {high}",
                )
        if self.two_labels + self.no_label + self.duplicates + self.leaks + self.label_noise > 0.9:
            raise BadInput("the planted shares leave fewer than one picture in ten plain", where="twin recipe")


def make_twin(out: Path, recipe: TwinRecipe, progress: Progress = silent, workers: int = 2) -> Dataset:
    """Render a twin into the new folder `out`, with `planted.parquet` beside the three files of a dataset.

    `workers` threads render; their number changes no byte. What was stopped goes on by the same call, from the last
    whole shard. Raises BadInput for a recipe out of range, and where `out` is there already.
    """
    recipe.check()
    if workers < 1:
        raise BadInput(f"{workers} threads cannot render", where="workers", fix="Use 1 or more")
    out = Path(out)
    with growing_folder(out, digest_json(asdict(recipe))) as new:
        classes, plan, draw = _begun(recipe)
        columns, shards = _write_shards(new, plan, draw, progress, workers)
        manifest = Manifest.from_columns(columns | _known_columns(recipe, plan), classes)
        _planted(plan, classes).write(new / "planted.parquet")
        Dataset(new, manifest, _about(recipe, manifest, shards)).write(new)
        shutil.rmtree(new / _NOTES)
    return Dataset.read(out)


@dataclass(frozen=True)
class TwinEstimate:
    """What a twin will take: pictures, bytes on disk, seconds with so many threads; from a sample of its own."""

    n_images: int
    n_bytes: int
    seconds: float


def estimate_twin(recipe: TwinRecipe, workers: int = 2) -> TwinEstimate:
    """Draw a few of its pictures and scale up. Raises BadInput for a recipe out of range."""
    recipe.check()
    _, plan, draw = _begun(recipe)
    rows = np.linspace(0, len(plan) - 1, _SAMPLE).astype(int).tolist()
    draw(rows[0])  # compiles
    began = time.perf_counter()
    with ThreadPoolExecutor(workers, thread_name_prefix="render") as pool:
        sizes = [512 * (1 + -(-len(data) // 512)) for data in pool.map(draw, rows)]
    seconds = time.perf_counter() - began
    n = len(plan)
    return TwinEstimate(n, round(n * sum(sizes) / len(rows)), n * seconds / len(rows))


def _begun(recipe: TwinRecipe) -> tuple[ClassList, Plan, _Darkroom]:
    """The classes of a twin, what each picture is to show, and what draws them."""
    graph, every = wordnet(), ilsvrc_classes()
    chosen = choose(graph, every.wnids, recipe.n_classes, np.random.default_rng([recipe.seed, 0]))
    classes = ClassList(tuple(chosen), tuple(every.names[every.index[wnid]] for wnid in chosen))
    plan = _plan(recipe, Kinship(graph, chosen).table())
    drawn = looks(graph, chosen, recipe.sibling_distance)
    return classes, plan, _Darkroom(recipe, plan, [drawn[wnid] for wnid in chosen])


def _plan(recipe: TwinRecipe, like: NDArray[np.float64]) -> Plan:
    troubles = Troubles(
        recipe.label_noise,
        recipe.picture_noise,
        recipe.two_labels,
        recipe.no_label,
        recipe.duplicates,
        recipe.leaks,
        recipe.imbalance,
    )
    shares = np.array([place.share for place in PLACES])
    return make_plan(recipe.per_class, like, troubles, shares, np.random.default_rng([recipe.seed, 1]))


class _Darkroom:
    """Develops any row of a plan by itself: what it draws depends on the recipe's seed and the row alone."""

    def __init__(self, recipe: TwinRecipe, plan: Plan, class_looks: list[Look]) -> None:
        self._recipe, self._plan, self._looks = recipe, plan, class_looks
        self._difficulty = Difficulty(**{field.name: getattr(recipe, field.name) for field in fields(Difficulty)})

    def __call__(self, row: int) -> bytes:
        """The JPEG file of a row."""
        import simplejpeg

        from topfive.dataset._twin_render import render

        original, way = int(self._plan.copy_of[row]), WAYS[self._plan.way[row]]
        scene, quality = self._scene(row if original < 0 else original)
        rng = self._rng(3, row)
        if way == "re-encoded":
            quality = int(rng.integers(45, 65))
        if way == "re-rendered":
            scene = nudged(scene, rng)
        pixels = render(scene, self._recipe.size)
        if way == "resized":
            pixels = _resized(pixels, 0.7)
        return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="420"))

    def _rng(self, stream: int, row: int) -> np.random.Generator:
        return np.random.default_rng(
            [self._recipe.seed, stream, int(self._plan.split[row]), int(self._plan.number[row])]
        )

    def _scene(self, row: int) -> tuple[Scene, int]:
        """The scene of a row and the quality its JPEG is written with."""
        plan, rng = self._plan, self._rng(2, row)
        subjects = [self._looks[label] for label in plan.right(row)]
        if plan.share[row] > 0.0:
            subjects = [subjects[0].towards(self._looks[plan.towards[row]], float(plan.share[row]), rng)]
        if len(subjects) == 2 and rng.random() < 0.5:
            subjects.reverse()
        scene = compose(subjects, PLACES[plan.place[row]], self._difficulty, rng)
        return scene, int(rng.integers(78, 97))


def _resized(pixels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Scaled down and up again: the same size, some detail lost."""
    from PIL import Image

    side = len(pixels)
    small = Image.fromarray(pixels).resize((round(side * share),) * 2, Image.Resampling.BICUBIC)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), dtype=np.uint8)


def _write_shards(
    folder: Path, plan: Plan, draw: Callable[[int], bytes], progress: Progress, workers: int
) -> tuple[dict[str, Any], list[tuple[str, int, str]]]:
    """Write `shards/*.tar`; gives the manifest's columns about bytes, and (name, size, sha256) of each shard.

    A shard that an earlier process wrote is not rendered again: the note beside it says where its pictures lie.
    """
    for name in ("shards", _NOTES):
        (folder / name).mkdir(exist_ok=True)
    notes, shards = [], []
    done, total, compiled = 0, len(plan), False
    progress("rendering", done, total, "images")
    pool = ThreadPoolExecutor(workers, thread_name_prefix="render")
    try:
        for name, rows in _shards(plan):
            path, note = folder / name, folder / _NOTES / f"{Path(name).stem}.parquet"
            if path.is_file() and note.is_file():
                progress("rendering", done + len(rows), total, "images")
            else:
                if not compiled:
                    draw(0)  # in this thread, before the others need it
                    compiled = True

                def tell(n: int, before: int = done) -> None:
                    progress("rendering", before + n, total, "images")

                _write_shard(path, note, zip(rows, pool.map(draw, rows), strict=True), plan, tell)
            table = pq.read_table(note)
            notes.append(table)
            shards.append((name, path.stat().st_size, (table.schema.metadata or {})[b"sha256"].decode()))
            done += len(rows)
    finally:
        pool.shutdown(cancel_futures=True)
    whole = pa.concat_tables(notes)
    return {name: whole[name].to_numpy() for name in whole.column_names}, shards


def _write_shard(
    path: Path,
    note: Path,
    drawn: Iterable[tuple[int, bytes]],
    plan: Plan,
    tell: Callable[[int], None],
) -> None:
    """Write one tar, then its note: the pictures' offsets, sizes and digests, and the digest of the tar."""
    columns: dict[str, list[Any]] = {name: [] for name in ("container", "offset", "size", "sha256")}
    with replacing(path) as part:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for n, (row, data) in enumerate(drawn, start=1):
                # Its time, owner and mode are constants: the same pictures make the same archive.
                member = tarfile.TarInfo(f"{plan.image_id(row)}.jpg")
                member.size = len(data)
                columns["container"].append(f"shards/{path.name}")
                columns["offset"].append(tar.offset + tarfile.BLOCKSIZE)
                columns["size"].append(len(data))
                columns["sha256"].append(hashlib.sha256(data).hexdigest())
                tar.addfile(member, io.BytesIO(data))
                tell(n)
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    with replacing(note) as part:
        pq.write_table(pa.table(columns).replace_schema_metadata({"sha256": digest}), part)


def _shards(plan: Plan) -> Iterator[tuple[str, list[int]]]:
    """Each shard's path in the folder and its rows; no shard holds rows of two splits."""
    for split, name in enumerate(SPLITS):
        rows = np.flatnonzero(plan.split == split).tolist()
        digits = max(3, len(str(len(rows) // _SHARD)))
        for at in range(0, len(rows), _SHARD):
            yield f"shards/{name}-{at // _SHARD:0{digits}d}.tar", rows[at : at + _SHARD]


def _known_columns(recipe: TwinRecipe, plan: Plan) -> dict[str, Any]:
    """The manifest's columns that need no pixels."""
    n = len(plan)
    same_split = (plan.copy_of >= 0) & (plan.split == plan.split[plan.copy_of])
    head = np.where(same_split, plan.copy_of, np.arange(n))
    return {
        "image_id": [plan.image_id(row) for row in range(n)],
        "width": [recipe.size] * n,
        "height": [recipe.size] * n,
        "class_index": plan.given,
        "split": [SPLITS[split] for split in plan.split],
        "group": [plan.image_id(int(row)) for row in head],
        "source": ["topfive dataset twin"] * n,
        "licence": ["CC0-1.0"] * n,
        "country": [PLACES[place].name for place in plan.place],
    }


def _planted(plan: Plan, classes: ClassList) -> Planted:
    entries = plan.planted()
    rows = [row for row, *_ in entries]
    return Planted(
        classes=classes.digest,
        image_id=np.array([plan.image_id(row) for row in rows], dtype=object),
        split=np.array([SPLITS[plan.split[row]] for row in rows], dtype=object),
        kind=np.array([kind for _, kind, _, _ in entries], dtype=object),
        class_index=plan.given[rows].astype(np.int32),
        true_classes=tuple(tuple(plan.right(row)) for row in rows),
        partner=np.array([partner for _, _, partner, _ in entries], dtype=object),
        detail=np.array([detail for _, _, _, detail in entries], dtype=object),
    )


def _about(recipe: TwinRecipe, manifest: Manifest, shards: list[tuple[str, int, str]]) -> dict[str, Any]:
    """The content of `dataset.json`."""
    files = [archive(Path(name), size, digest)[0] | {"@id": name, "name": name} for name, size, digest in shards]
    pictures = {
        "@type": "cr:FileSet",
        "@id": "pictures",
        "name": "pictures",
        "containedIn": [{"@id": name} for name, _, _ in shards],
        "encodingFormat": "image/jpeg",
        "includes": "*.jpg",
    }
    text = (
        "Rendered solids in place of photographs, whose likeness follows the WordNet tree; labels have planted errors. "
        "Scores on it are no evidence about ImageNet."
    )
    about = describe(f"twin-{recipe.n_classes}-{recipe.seed}", text, manifest, [*files, pictures])
    return about | {"license": "https://creativecommons.org/publicdomain/zero/1.0/", "recipe": asdict(recipe)}
