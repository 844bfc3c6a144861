"""How the server refuses: every refusal says what is wrong and what to do, and none says where files lie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import Request
from starlette.responses import Response

from topfive.records import BadInput
from topfive.web.answers import refusal
from topfive.web.headers import HEADERS

_LOST = "The links at the top of this page lead to everything there is."
_Handler = Callable[[Request, Any], Awaitable[Response]]


class Missing(HTTPException):
    """A 404 that says what to do."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(404, detail=reason)
        self.fix = fix


def install(app: FastAPI) -> None:
    """Give every kind of failure its page."""
    handlers: dict[type[Exception], _Handler] = {
        AnyHTTPException: _refused,
        RequestValidationError: _not_understood,
        BadInput: _unreadable,
        Exception: _failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _refused(request: Request, error: AnyHTTPException) -> Response:
    if isinstance(error, Missing):
        return refusal(request, 404, error.detail, error.fix)
    reason = "There is no page at this address."
    if error.status_code != HTTPStatus.NOT_FOUND:
        reason = f"{HTTPStatus(error.status_code).phrase}: this server answers GET and HEAD only."
    found = refusal(request, error.status_code, reason, _LOST)
    found.headers.update(error.headers or {})
    return found


async def _not_understood(request: Request, error: RequestValidationError) -> Response:
    fields = ", ".join(str(problem["loc"][-1]) for problem in error.errors())
    return refusal(request, 400, f"This request cannot be understood: {fields}.", "Shorten or correct the address.")


async def _unreadable(request: Request, error: BadInput) -> Response:
    name = "" if error.where is None else f"{Path(error.where).name}: "
    return refusal(request, 500, f"{name}{error.reason}", error.fix or "Run the command that wrote it again.")


async def _failed(request: Request, error: Exception) -> Response:
    found = refusal(request, 500, "This page failed.", "The server's own log says why.")
    # This answer is made outside the middleware that gives all others their headers.
    found.headers.update(HEADERS)
    return found
