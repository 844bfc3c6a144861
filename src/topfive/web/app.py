"""The web application: a workspace as pages, read-only."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from topfive import __version__
from topfive.records import BadInput
from topfive.web import pages, refusals
from topfive.web.headers import Headers
from topfive.web.site import Site

_LOOPBACK = ("127.0.0.1", "localhost")


def create_app(workspace: Path, *, hosts: Sequence[str] = ("*",)) -> FastAPI:
    """The application over the folder that `topfive run --out` wrote; it answers only to the names in `hosts`."""
    # FastAPI's own documentation pages load scripts from elsewhere, hence none.
    app = FastAPI(title="topfive", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.site = Site(Path(workspace))
    app.include_router(pages.router)
    refusals.install(app)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(Headers)
    return app


def serve(workspace: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until interrupted; raises BadInput for a folder that is none and an address that cannot be had.

    On this machine's own address only this machine's names are answered to, so that a page elsewhere whose name is
    pointed at 127.0.0.1 reads nothing.
    """
    import uvicorn

    if not workspace.is_dir():
        raise BadInput("is no folder", where=workspace, fix="Make a workspace with `topfive run --out DIR`")
    if not 0 <= port <= 65535:
        raise BadInput("is no port", where=f"--port {port}", fix="Choose one from 1 to 65535, or 0 for any free one")
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise BadInput(
            f"cannot be listened on ({reason})", where=f"{host}:{port}", fix="Choose another --port or --host"
        ) from error
    app = create_app(workspace, hosts=_LOOPBACK if host in _LOOPBACK else ("*",))
    config = uvicorn.Config(app, log_level="warning", server_header=False)
    print(f"Serving {workspace} on http://{host}:{listening.getsockname()[1]}/ (stop with Ctrl-C)", file=sys.stderr)
    with listening, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
