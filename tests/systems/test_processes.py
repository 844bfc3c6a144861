"""One fit on several processes: gloo on the CPU, as torchrun starts them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive.records import BadInput, Dataset
from toy.drawn import drawn_set

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from topfive.systems.engine.processes import Processes, join  # noqa: E402

SCRIPT = Path(__file__).parent / "torchrun_fit.py"


def test_the_processes_share_a_batch_in_whole_pairs() -> None:
    for world in (1, 2, 3, 5):
        for n in range(2 * world, 40):
            shares = [Processes(rank, world, torch.device("cpu")).share(n) for rank in range(world)]
            rows = [row for share in shares for row in range(n)[share]]
            assert rows == list(range(n))
            assert all(share.start % 2 == 0 and len(range(n)[share]) > 0 for share in shares)


def test_a_torchrun_that_is_not_whole_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(BadInput, match="RANK is not set"):
        join("cpu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=7, tune=2, val=2, px=32)


def fit(drawn: Dataset, out: Path, world: int, *, fails: bool = False, **options: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)]
    done = subprocess.run(
        [*command, str(SCRIPT), str(drawn.root), str(out), json.dumps(options)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode != 0) == fails, done.stderr[-2000:]
    return {} if fails else load_file(out / "weights.safetensors")


def close(a: dict[str, Any], b: dict[str, Any]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.slow
def test_two_and_three_processes_learn_what_one_learns(drawn: Dataset, tmp_path: Path) -> None:
    alone = fit(drawn, tmp_path / "1", 1)
    for world in (2, 3):
        together = fit(drawn, tmp_path / str(world), world)
        assert close(alone, together) < 1e-5, "the same pictures, the same sums in another order"
    rows = json.loads((tmp_path / "2" / "rows.json").read_text())
    expected = json.loads((tmp_path / "1" / "rows.json").read_text())
    assert [row["step"] for row in rows] == [3, 6, 9]
    np.testing.assert_allclose([row["loss"] for row in rows], [row["loss"] for row in expected], rtol=1e-4)


@pytest.mark.slow
def test_a_killed_fit_goes_on_with_the_same_bits_and_on_another_number_of_processes(
    drawn: Dataset, tmp_path: Path
) -> None:
    whole = fit(drawn, tmp_path / "whole", 2)
    fit(drawn, tmp_path / "killed", 2, fails=True, kill_after=60)
    assert close(fit(drawn, tmp_path / "killed", 2), whole) == 0.0
    fit(drawn, tmp_path / "moved", 2, fails=True, kill_after=60)
    assert close(fit(drawn, tmp_path / "moved", 1), whole) < 1e-5


@pytest.mark.slow
def test_parameters_in_parts_learn_the_same(drawn: Dataset, tmp_path: Path) -> None:
    alone = fit(drawn, tmp_path / "1", 1)
    assert close(fit(drawn, tmp_path / "2", 2, parallel="fsdp"), alone) < 1e-5
    fit(drawn, tmp_path / "killed", 2, fails=True, kill_after=60, parallel="fsdp")
    assert close(fit(drawn, tmp_path / "killed", 2, parallel="fsdp"), alone) < 1e-5
