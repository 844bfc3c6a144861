"""A command's --json and its page's .json twin are one value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from topfive.records import Board, BoardRow, Claim, Run

pytest.importorskip("fastapi", reason="pip install 'topfive[web]'")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    claim = Claim("top5_error", 0.182, "ILSVRC2012", "val", "one network, 10 crops", "Krizhevsky et al. 2012")
    run = Run("alexnet", {"epochs": 1}, 0, "twin", "c" * 64, "v" * 64)
    run.write(tmp_path / "runs" / run.run_id / "run.json")
    row = BoardRow(
        1, (1, 1), "alexnet", 2012, "AlexNet", run.run_id, 0.5, 0.2, (0.4, 0.6), (0.1, 0.3), 100, 2.0,
        published_top5_error=0.182, published=claim.to_json(),
    )  # fmt: skip
    reference = {"human": [], "chance": {"top1_error": 0.95, "top5_error": 0.75}, "published": [], "agreement": []}
    Board("twin, test", (row,), reference, {"rank_by": "top1"}).write(tmp_path / "board.json")
    return tmp_path


def command(*arguments: str) -> object:
    done = subprocess.run([sys.executable, "-m", "topfive", *arguments, "--json"], capture_output=True, check=True)
    return json.loads(done.stdout)


def test_every_read_verb(workspace: Path) -> None:
    from starlette.testclient import TestClient

    from topfive.web import create_app

    client = TestClient(create_app(workspace))
    assert client.get("/board.json").json() == command("challenge", "board", str(workspace))
    assert client.get("/systems.json").json() == command("systems")
    assert client.get("/classes/n02084071.json").json() == command("taxonomy", "show", "n02084071")
