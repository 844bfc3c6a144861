"""The contract of an audit: one file in `audits`, a `TITLE`, and `findings(...)` that turns its result into Findings.

What an audit reads differs from one to the next, so `findings` takes the audit's own result first and whatever names
the result lacks (ids, classes) after it. An audit judges and changes nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, cast

from topfive.audit import audits
from topfive.records import BadInput, Finding

AUDITS: tuple[str, ...] = tuple(
    sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(audits.__path__))
)
"""The names of the audits, listed without importing them."""


def findings(audit: str, *result: Any, **limits: Any) -> tuple[Finding, ...]:
    """What the audit of that name makes of its result; the arguments are those of the audit's own `findings`."""
    if audit not in AUDITS:
        raise BadInput(f"no audit is called {audit!r}", where="audit", fix=f"Audits: {', '.join(AUDITS)}")
    module = importlib.import_module(f"{audits.__name__}.{audit.replace('-', '_')}")
    return cast(tuple[Finding, ...], module.findings(*result, **limits))
