"""Options that many commands share, with what they may be."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

Seed = Annotated[int, Parameter(validator=validators.Number(gte=0))]
"""What chance is drawn from; numpy's generators take no negative one."""
