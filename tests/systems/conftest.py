"""VLFeat as a referee: its own C code, built here where a compiler and the library are installed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class VLFeat:
    """Runs `vlfeat_referee.c`."""

    program: Path

    def dsift(
        self, picture: Floats, bin_px: int, step_px: int, first_px: int, window: float, sigma: float
    ) -> tuple[Floats, Floats]:
        """Descriptors [N, 128] and their mean gradients [N] of one grey picture smoothed by sigma, flat window."""
        height, width = picture.shape
        numbers = np.array([width, height, bin_px, step_px, first_px], dtype=np.int32)
        found = self._run("dsift", numbers, np.array([window, sigma], dtype=np.float32), picture)
        n = int(found[:1].view(np.int32)[0])
        return found[1 : 1 + n * 128].reshape(n, 128), found[1 + n * 128 :]

    def fisher(self, data: Floats, weights: Floats, means: Floats, variances: Floats, *, improved: bool) -> Floats:
        """The Fisher vector of `data` [N, D]."""
        numbers = np.array([*data.shape, len(weights), 3 if improved else 0], dtype=np.int32)
        return self._run("fisher", numbers, weights, means, variances, data)

    def _run(self, what: str, *arrays: NDArray[np.generic]) -> Floats:
        given = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        done = subprocess.run([self.program, what], input=given, capture_output=True, check=True)
        return np.frombuffer(done.stdout, dtype=np.float32)


@pytest.fixture(scope="session")
def vlfeat(tmp_path_factory: pytest.TempPathFactory) -> VLFeat:
    """The referee; tests that want it skip where it cannot be built."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    if not Path("/usr/include/vl/dsift.h").is_file():
        pytest.skip("VLFeat is not installed: apt-get install libvlfeat-dev")
    source = Path(__file__).parent / "vlfeat_referee.c"
    program = tmp_path_factory.mktemp("vlfeat") / "referee"
    subprocess.run([compiler, "-O2", "-o", program, source, "-lvl", "-lm"], check=True)
    return VLFeat(program)
