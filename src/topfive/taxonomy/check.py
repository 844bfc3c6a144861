"""check: what is wrong with a class list, by the checks of the folder beside it; it changes nothing."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from topfive.records import BadInput, Finding
from topfive.taxonomy import checks
from topfive.taxonomy.listed import Listed
from topfive.taxonomy.written import WrittenList

CHECKS: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(checks.__path__)))
"""The names of the checks, listed without importing them: the `kind` of their findings."""


def check(written: WrittenList, kinds: Iterable[str] = CHECKS) -> tuple[Finding, ...]:
    """The findings of these checks, worst first; each has its kind and numbers as evidence and wnids as ids.

    Raises BadInput for a check that there is not. What the list itself does wrong is a finding, never an error.
    """
    listed = Listed(written)
    found: list[Finding] = []
    for kind in kinds:
        if kind not in CHECKS:
            raise BadInput(f"no check is called {kind!r}", where="check", fix=f"Checks: {', '.join(CHECKS)}")
        found += importlib.import_module(f"{checks.__name__}.{kind}").findings(listed)
    order = {kind: place for place, kind in enumerate(CHECKS)}
    return tuple(sorted(found, key=lambda f: (-f.severity, order[f.evidence["kind"]], f.ids)))


def what_it_finds(kind: str) -> str:
    """What a check looks for, in words."""
    found: str = importlib.import_module(f"{checks.__name__}.{kind}").WHAT
    return found
