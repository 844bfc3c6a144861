"""Opening the database that labelling and challenge share: SQLite in a file by default, PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topfive.records import BadInput

if TYPE_CHECKING:  # SQLAlchemy and Alembic take 0.2 s to import; doors that need no database do not wait for them
    from sqlalchemy import Connection, Engine

_WRITES = "topfive_writes"
_BUSY_S = 30
_MIGRATIONS_LOCK = 0x746F7035


def open_database(url_or_path: str | Path) -> Engine:
    """Open a SQLite file (made where missing) or a database by URL, with its tables brought up to date.

    SQLite runs in rollback-journal mode with synchronous=EXTRA, not in WAL mode: SQLite 3.7.0 to 3.51.2 can corrupt a
    WAL database that two connections write or checkpoint at the same moment, and such versions are widespread.
    Raises BadInput where the file is no database, is held in WAL mode, or was written by a newer topfive.
    """
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    engine = _engine(url_or_path)
    try:
        with writing(engine) as connection:
            _migrate(connection)
    except CommandError as error:
        engine.dispose()
        raise BadInput(
            f"was written by another version ({error})", where=_shown(engine), fix="Update topfive"
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise BadInput(f"cannot be opened as a database ({reason})", where=_shown(engine)) from error
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that will write: SQLite takes its write lock at once, so that what is read in it still holds."""
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


def _engine(url_or_path: str | Path) -> Engine:
    from sqlalchemy import URL, create_engine, make_url
    from sqlalchemy.exc import ArgumentError

    if isinstance(url_or_path, str) and "://" in url_or_path:
        try:
            url = make_url(url_or_path)
        except ArgumentError as error:
            raise BadInput(
                "is no database URL", where="database", fix="Use a path or postgresql+psycopg://..."
            ) from error
    else:
        path = Path(url_or_path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"its folder cannot be made ({error.strerror})", where=path) from error
        url = URL.create("sqlite", database=str(path))
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url)
        except ImportError as error:
            raise BadInput(
                f"needs a driver ({error})", where=url.render_as_string(), fix="pip install 'psycopg[binary]'"
            ) from error
    return _sqlite(url)


def _sqlite(url: Any) -> Engine:
    from sqlalchemy import create_engine, event

    engine = create_engine(url, connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions are ours (`begin` below), not guessed by the driver
        mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        if mode not in ("delete", "memory"):
            raise sqlite3.OperationalError(f"journal mode is {mode}: another program holds it open in that mode")
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        # A reader that turned writer could only fail: two of them would wait for each other.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    if connection.dialect.name == "postgresql":  # SQLite has taken its write lock; two openers must not both build
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATIONS_LOCK})
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _shown(engine: Engine) -> str:
    """The file, or the URL without its password."""
    url = engine.url
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string()
