from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path: Path) -> None:
    options = ("--classes", "2", "--train", "9000")
    command = [sys.executable, "-m", "topfive", "dataset", "twin", str(tmp_path / "twin"), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()  # five seconds in: the work has begun
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            code = process.wait(timeout=60)
        finally:
            process.kill()
    assert first.startswith("rendering: ")
    assert (code, rest.splitlines()[-1]) == (130, "topfive: interrupted; the same command goes on where it stopped")
    assert "Traceback" not in rest
