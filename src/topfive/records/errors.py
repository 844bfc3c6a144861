"""The one error for input that cannot be used: it names the place, the reason and the remedy."""

from __future__ import annotations

import os


class BadInput(Exception):
    """Input that a person can mend: shown without a traceback, exit status 2.

    `where` is the file or argument, `row` the line, row or field in it, `fix` what to do about it.
    """

    def __init__(
        self,
        reason: str,
        *,
        where: str | os.PathLike[str] | None = None,
        row: int | str | None = None,
        fix: str | None = None,
    ) -> None:
        self.reason = reason
        self.where = None if where is None else os.fspath(where)
        self.row = row
        self.fix = fix
        place = ", ".join(
            part
            for part in (
                self.where or "",
                "" if row is None else (f"row {row}" if isinstance(row, int) else row),
            )
            if part
        )
        message = f"{place}: {reason}" if place else reason
        super().__init__(message if fix is None else f"{message}. {fix}")


def unreadable(what: str, path: str | os.PathLike[str], error: Exception, *, fix: str | None = None) -> BadInput:
    """The refusal of a file that was to be `what`: it is missing, a folder, forbidden or damaged, as `error` says."""
    if isinstance(error, FileNotFoundError):
        return BadInput("there is no such file", where=path, fix=fix or f"{what[0].upper()}{what[1:]} is wanted here")
    if isinstance(error, IsADirectoryError):
        return BadInput(f"is a folder, and {what} is wanted here", where=path, fix=fix)
    if isinstance(error, PermissionError):
        return BadInput("may not be read", where=path, fix="Ask its owner for the right to read it")
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return BadInput(f"cannot be read as {what} ({first[:200]})", where=path, fix=fix)


class WorkFailed(Exception):
    """Work that began on good input and did not succeed: exit status 1."""
