"""What the server sends: pages, their JSON twins, pictures; each with an entity tag, so that a reload costs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from topfive.reports import environment, stylesheet

if TYPE_CHECKING:
    from jinja2 import Environment

KEEP = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    found = environment("topfive.web")
    found.globals["style_version"] = style_version()
    return found


@lru_cache(maxsize=1)
def style_version() -> str:
    """Names the style sheet's content, so that a browser may keep it for good."""
    return hashlib.sha256(stylesheet().encode()).hexdigest()[:12]


def answer(
    request: Request, body: bytes, media_type: str, *, cache: str = ASK_AGAIN, headers: Mapping[str, str] | None = None
) -> Response:
    """The body with its entity tag, or 304 where the reader has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    sent = {"ETag": tag, "Cache-Control": cache, **(headers or {})}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if tag in known:
        return Response(status_code=304, headers=sent)
    return Response(body, media_type=media_type, headers=sent)


def page(request: Request, template: str, *, twin: str | None = None, **values: Any) -> Response:
    """An HTML page; `twin` is the address of the same content as JSON."""
    text = _templates().get_template(template).render(twin=twin, here=request.url.path, **values)
    return answer(request, text.encode(), "text/html; charset=utf-8")


def twin(request: Request, value: Mapping[str, Any]) -> Response:
    """The bytes that the command prints under `--json`."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return answer(request, text.encode(), "application/json")


def refusal(request: Request, status: int, reason: str, fix: str) -> Response:
    """A page that says what is wrong and what to do, or the same as JSON where a twin was asked for."""
    if request.url.path.endswith(".json"):
        value = {"error": {"status": status, "reason": reason, "fix": fix}}
        body, media_type = json.dumps(value, ensure_ascii=False).encode() + b"\n", "application/json"
    else:
        text = _templates().get_template("refusal.html")
        body = text.render(twin=None, here="", status=status, reason=reason, fix=fix).encode()
        media_type = "text/html; charset=utf-8"
    return Response(body, status_code=status, media_type=media_type, headers={"Cache-Control": "no-store"})
