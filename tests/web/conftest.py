"""A workspace as `topfive run` leaves it, made up, with hostile names where people write names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from topfive.records import UNKNOWN, Board, BoardRow, Claim, ClassList, Dataset, Manifest, Run, Scores, write_text

pytest.importorskip("fastapi", reason="pip install 'topfive[web]' brings the web application")
from PIL import Image
from starlette.testclient import TestClient

HOSTILE = "<script>document.title='owned'</script>"
HOSTILE_KEY = "\"><img src=x onerror=document.title='owned'>"
CLASSES = ClassList(
    ("n01440764", "n01443537", "n02123045", "n02123159", "n03642806", HOSTILE_KEY),
    ("tench", "goldfish", "tabby", "tiger cat", "laptop", HOSTILE),
)
SECRET = "vault-canary-7f3a"
RUN_ID = "alexnet-tiny-0123456789"


def make_workspace(root: Path) -> Path:
    """Six classes, 5 train and 2 val images each, 18 test images whose labels are sealed; one run; a board."""
    rng = np.random.default_rng(0)
    columns: dict[str, list[object]] = {name: [] for name in ("image_id", "container", "size", "split", "class_index")}
    images = root / "public" / "images"
    images.mkdir(parents=True)
    for split, n in (("train", 5), ("val", 2), ("test", 3)):
        for index in range(len(CLASSES)):
            for i in range(n):
                image_id = f"{split}_{index}_{i}" if index < 5 else f"{split}_<b>&{i}"
                path = images / f"{split}-{index}-{i}.jpg"
                pixels = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
                Image.fromarray(pixels).resize((240, 180), Image.Resampling.BICUBIC).save(path, "JPEG")
                values = (image_id, f"images/{path.name}", path.stat().st_size, split)
                for name, value in zip(columns, (*values, UNKNOWN if split == "test" else index), strict=True):
                    columns[name].append(value)
    Dataset(root / "public", Manifest.from_columns(columns, CLASSES), {"name": "made-up set"}).write(root / "public")
    (root / "vault").mkdir()
    write_text(root / "vault" / "truth.json", json.dumps(SECRET))
    claim = Claim("top5_error", 0.153, "ILSVRC2012", "test", "7 networks", "made up for the tests")
    row = BoardRow(
        rank=1,
        rank_interval=(1, 1),
        system="alexnet:tiny",
        year=2012,
        title=HOSTILE,
        run=RUN_ID,
        top1_error=0.25,
        top5_error=0.0,
        top1_error_interval=(0.11, 0.47),
        top5_error_interval=(0.0, 0.176),
        n=18,
        seconds=12.5,
        published_top5_error=0.153,
        published=claim.to_json(),
    )
    reference = {"human": None, "chance": {"top1_error": 0.833, "top5_error": 0.167}, "published": [], "agreement": []}
    Board("Made-up edition", (row,), reference).write(root / "board.json")
    run = Run(
        "alexnet:tiny", {"lr": 0.05, "note": HOSTILE, "view": {"crop_px": 96}}, 0, "made-up set", "c" * 64, "v" * 64
    )
    value = {"run_id": RUN_ID} | {key: getattr(run, key) for key in Run.__dataclass_fields__}
    write_text(root / "runs" / RUN_ID / "run.json", json.dumps(value))
    per_class = dict.fromkeys(CLASSES.wnids, (2, 1, 2))
    Scores(
        12,
        "ilsvrc-top5/1",
        "original",
        "c" * 64,
        "v" * 64,
        6,
        12,
        0.5,
        0.0,
        (0.25, 0.75),
        (0.0, 0.24),
        per_class=per_class,
    ).write(root / "runs" / RUN_ID / "scores.json")
    style = "body { margin: 0; }"
    write_text(
        root / "report.html", f"<!doctype html><html lang=en><title>R</title><style>{style}</style><p>Report</html>"
    )
    return root


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for all tests that only read it."""
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def client(workspace: Path) -> Iterator[TestClient]:
    """A browser without a browser; a failing page is an answer, as it is for people."""
    from topfive.web import create_app

    with TestClient(create_app(workspace), raise_server_exceptions=False) as found:
        yield found
