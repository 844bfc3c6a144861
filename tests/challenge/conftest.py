"""A dataset that gives its labels away in every way it can, and an edition opened on it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from topfive.challenge import Edition, Rules, Vault, create, seal
from topfive.records import ClassList, Dataset, Manifest, Predictions
from topfive.storage import open_database

SALT = bytes(range(32))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CLASSES = ClassList(
    ("n01440764", "n01443537", "n01484850", "n02085620", "n02123045", "n04266014"),
    ("tench", "goldfish", "great white shark", "Chihuahua", "tabby", "space shuttle"),
)
PER_CLASS = {"train": 3, "test": 8}


def canary(label: int) -> str:
    """A 128-bit token that stands for a hidden label wherever a dataset may mention it."""
    return hashlib.sha256(f"canary {label}".encode()).hexdigest()[:32]


def leaky_dataset(root: Path, labels: dict[str, list[int]] | None = None) -> Dataset:
    """Folders, ids, groups, sources and columns named by class; rows sorted by class; test rows under a canary.

    `labels` replaces the test labels without changing anything else that the rows say.
    """
    columns: dict[str, list[object]] = {name: [] for name in ("image_id", "container", "size", "sha256", "class_index")}
    columns |= {name: [] for name in ("split", "group", "source", "licence", "true_class", "label_index", "country")}
    planted: dict[str, list[str]] = {"image_id": [], "partner": [], "kind": []}
    for split, count in PER_CLASS.items():
        for label, wnid in enumerate(CLASSES.wnids):
            for number in range(count):
                token = canary(label) if split == "test" else "open"
                image_id = f"{split}_{wnid}_{token}_{number}"
                data = b"\xff\xd8" + hashlib.sha256(image_id.encode()).digest() * (3 + number)
                container = f"pictures/{split}/{wnid}/{token}/{number}.jpg"
                (root / container).parent.mkdir(parents=True, exist_ok=True)
                (root / container).write_bytes(data)
                given = label if labels is None or split != "test" else labels["test"][len(columns["size"]) - 18]
                told = [image_id, container, len(data), hashlib.sha256(data).hexdigest(), given, split]
                told += [f"group {wnid} {token}", f"https://example.org/{wnid}/{token}", "CC0-1.0"]
                told += [f"{CLASSES.names[label]} {token}", label, ("Peru", "Chad")[number % 2]]
                for name, value in zip(columns, told, strict=True):
                    columns[name].append(value)
                partner = f"test_{wnid}_{canary(label)}_0" if split == "train" and number == 0 else ""
                for name, text in zip(planted, (image_id, partner, f"kind {token}"), strict=True):
                    planted[name].append(text)
    about = {
        "name": "leaky",
        "distribution": [
            *({"@type": "cr:FileObject", "@id": f"id {c}", "contentUrl": str(c)} for c in columns["container"]),
            {"@type": "cr:FileSet", "@id": "all", "containedIn": [{"@id": f"id {c}"} for c in columns["container"]]},
            {"@type": "cr:FileSet", "@id": "one", "containedIn": {"@id": f"id {columns['container'][-1]}"}},
            {"@type": "cr:FileSet", "@id": "manifest.parquet", "includes": "manifest.parquet"},
        ],
    }
    dataset = Dataset(root, Manifest.from_columns(columns, CLASSES), about)
    dataset.write(root)
    pq.write_table(pa.table(planted, metadata={"topfive.classes": CLASSES.digest}), root / "planted.parquet")
    return Dataset.read(root)


@dataclass(frozen=True)
class Held:
    """An edition with everything that belongs to it; `labels` in the public order are for the test's eyes only."""

    edition: Edition
    public: Dataset
    vault: Vault
    database: Engine
    labels: np.ndarray

    @property
    def ids(self) -> tuple[str, ...]:
        return self.public.manifest.rows("test").ids

    def guess(self, n_right: int, seed: int = 0, start: int = 0) -> Predictions:
        """First guesses are right on `n_right` images from `start` on (cyclic); elsewhere no guess is."""
        rng = np.random.default_rng(seed)
        n, k = len(self.labels), len(CLASSES)
        logits = rng.random((n, k)).astype(np.float32)
        right = np.isin(np.arange(n), (start + np.arange(n_right)) % n)
        logits[np.arange(n), self.labels] = np.where(right, 9.0, -9.0)
        return Predictions.from_logits(self.ids, logits, CLASSES)


@pytest.fixture
def leaky(tmp_path: Path) -> Dataset:
    return leaky_dataset(tmp_path / "set")


class Stage:
    """What the tests of this folder share, since test files cannot import each other."""

    CLASSES, SALT, NOON, N_TEST = CLASSES, SALT, NOON, len(CLASSES) * PER_CLASS["test"]
    canary = staticmethod(canary)
    dataset = staticmethod(leaky_dataset)

    def __init__(self, sealed: Path, folder: Path) -> None:
        self._folder = folder
        self._opened: list[Engine] = []
        shutil.copytree(sealed, folder, dirs_exist_ok=True)  # cheaper than sealing anew, which syncs every file

    def hold(self, rules: Rules | None = None, name: str = "first") -> Held:
        """Open an edition on the leaky set, sealed into `public`, `vault` and `challenge.sqlite`."""
        public, vault = Dataset.read(self._folder / "public"), Vault(self._folder / "vault")
        database = open_database(self._folder / "challenge.sqlite")
        self._opened.append(database)
        rules = rules or Rules("top1", 5, "day")
        edition = create(name, public, "test", rules, vault=vault, database=database, now=NOON)
        return Held(edition, public, vault, database, vault.truth("test").labels)

    def close(self) -> None:
        """Close every database."""
        for database in self._opened:
            database.dispose()


@pytest.fixture(scope="session")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    leaky = leaky_dataset(tmp_path_factory.mktemp("leaky"))
    seal(leaky, "test", vault=folder / "vault", public=folder / "public", salt=SALT)
    open_database(folder / "challenge.sqlite").dispose()
    return folder


@pytest.fixture
def stage(sealed_once: Path, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(sealed_once, tmp_path / "stage")
    yield made
    made.close()
