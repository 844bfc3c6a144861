"""The contract of an audit: one file in `audits`, a `TITLE`, and one `findings(...)` that turns its result into Findings.

What an audit reads differs from one to the next, so `findings` takes the audit's own result first and whatever names
the result lacks (ids, classes) after it. An audit judges and changes nothing.
"""

from __future__ import annotations

import pkgutil

from topfive.audit import audits

AUDITS: tuple[str, ...] = tuple(
    sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(audits.__path__))
)
"""The names of the audits, listed without importing them."""
