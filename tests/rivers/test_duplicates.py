"""From a set and a network's name to its crops and mirrors: by the command, twice, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topfive import flows
from topfive.cli import main
from topfive.dataset import Pair, import_source
from topfive.flows.duplicates import doubtful
from topfive.records import BadInput, Dataset

pytest.importorskip("torch")

from topfive.systems.features.frozen import OpenBackbone

BUILD = """
import torch
from torch import nn

def build():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.AvgPool2d(8), nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(32, 10),
        )

def headless():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


def drawn(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse, fine = (
        Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((120, 90), Image.BICUBIC)
        for n in (5, 20)
    )
    return Image.blend(coarse, fine, 0.35)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.py"
    path.write_text(BUILD, encoding="utf-8")
    return f"py:{path}"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    pictures = {f"train/a/{seed}": drawn(seed) for seed in range(6)} | {
        "val/b/mirror": drawn(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "val/a/crop": drawn(3).crop((15, 10, 110, 81)),
    }
    for name, picture in pictures.items():
        path = tmp_path / "source" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, "JPEG", quality=85)
    import_source(tmp_path / "source", tmp_path / "set")
    return Dataset.read(tmp_path / "set")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as done:
        main(list(words))
    assert not done.value.code
    return capsys.readouterr().out


def test_the_command_finds_a_mirror_and_a_crop_and_sees_each_picture_once(
    dataset: Dataset, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    plain = OpenBackbone.features

    def features(self: OpenBackbone, pictures: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(len(pictures))
        return plain(self, pictures, *args, **kwargs)

    monkeypatch.setattr(OpenBackbone, "features", features)
    command = ["dataset", "dedupe", str(dataset.root), "--embedding", f"{model}:build"]
    sheet = tmp_path / "pairs.png"
    facts = json.loads(told(capsys, *command, "--sheet", str(sheet), "--json"))
    found = {(pair["image_id"], pair["copy_of"], pair["how"]) for pair in facts["pairs"]}
    assert found == {("mirror", "2", "mirror"), ("crop", "3", "crop")}
    assert (facts["n_crop"], facts["n_mirror"], facts["n_label_conflicts"]) == (1, 1, 1)
    with Image.open(io.BytesIO(sheet.read_bytes())) as shown:
        assert shown.width == 4 * 248 + 8
    text = told(capsys, *command, "--out", str(tmp_path / "out"), "--drop")
    assert "crop 1, mirror 1" in text and "dropped" in text and "train 2" in text and "unlike labels" in text
    assert seen == [len(dataset.manifest)]


def test_a_network_that_cannot_serve_is_refused_before_the_search(dataset: Dataset, model: str) -> None:
    with pytest.raises(BadInput, match="no features"):
        flows.dedupe(dataset, search=flows.Search(embedding=f"{model}:headless"))
    with pytest.raises(BadInput):
        flows.dedupe(dataset, search=flows.Search(embedding="efficientnet_lite9"))
    assert not (dataset.root / "fingerprints").exists()


def test_each_kind_has_its_turn_on_the_sheet() -> None:
    pairs = [Pair(f"n{i}", "x", "near", i / 10) for i in range(40)] + [Pair("m", "x", "mirror", 0.5)]
    shown = doubtful(pairs)
    assert len(shown) == 30
    assert [pair.image_id for pair in shown[:3]] == ["n39", "m", "n38"]
