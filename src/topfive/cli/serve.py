"""`topfive serve`: the web application over a workspace."""

from __future__ import annotations

from pathlib import Path


def serve(*, workspace: Path = Path("runs/main"), host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve a workspace, read-only: the board, the runs, the classes; each page has a `.json` twin.

    Example: `topfive serve --workspace runs/main --port 8000`

    Parameters
    ----------
    workspace
        The folder that `topfive run --out` wrote.
    host
        The address to listen on.
    port
        The port to listen on.
    """
    from topfive import web

    web.serve(workspace, host=host, port=port)
