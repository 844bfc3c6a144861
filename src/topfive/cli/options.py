"""Options that many commands share, with what they may be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

Seed = Annotated[int, Parameter(validator=validators.Number(gte=0))]
"""What chance is drawn from; numpy's generators take no negative one."""


def cache_folder() -> Path:
    """Where trials of runtimes and frozen features are remembered."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "topfive"
