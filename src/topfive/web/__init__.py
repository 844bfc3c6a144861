"""The web room: parse -> flow -> page or `.json`; read-only, and it decides nothing."""

from topfive.web.app import create_app, serve

__all__ = ["create_app", "serve"]
