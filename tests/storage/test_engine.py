from __future__ import annotations

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from topfive.records import BadInput
from topfive.storage import open_database, writing
from topfive.storage.schema import editions, metadata, submissions

EDITION = {
    "name": "e",
    "split": "test",
    "classes": "c" * 64,
    "dataset": "d" * 64,
    "n": 10,
    "rank_by": "top5",
    "slot_limit": 2,
    "window_kind": "day",
    "protocol": "p/1",
    "commitment": "f" * 64,
    "created": "2026-11-24T10:00:00.000000Z",
}
SUBMISSION = {
    "edition_id": 1,
    "slot_limit": 2,
    "team": "t",
    "window_name": "2026-11-24",
    "slot": 1,
    "digest": "a" * 64,
    "received": "2026-11-24T10:00:00.000000Z",
    "system": "s",
    "title": "S",
    "year": 2012,
    "run": "s-1",
    "seconds": 1.5,
    "contaminated": "no",
    "n": 10,
    "top1_correct": 3,
    "top5_correct": 5,
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "new folder" / "a%b.sqlite")
    yield engine
    engine.dispose()


def test_sqlite_is_set_for_durability(database: Engine) -> None:
    with database.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "delete", "synchronous": 3, "foreign_keys": 1}


def test_schema_and_migrations_agree(database: Engine, tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    # SQLite keeps each table's statement, checks and names of constraints included.
    plain = sqlite3.connect(tmp_path / "plain.sqlite")
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateTable

    for table in metadata.sorted_tables:
        plain.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
    wanted = {name: sorted(" ".join(sql.split()).split(", ")) for name, sql in statements(plain)}
    plain.close()
    migrated = sqlite3.connect(str(database.url.database))
    found = {
        name: sorted(" ".join(sql.split()).split(", ")) for name, sql in statements(migrated) if "alembic" not in name
    }
    migrated.close()
    assert found == wanted
    assert set(found) == {"editions", "submissions"}


def statements(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()


def test_opening_again_keeps_what_is_there(database: Engine) -> None:
    with writing(database) as connection:
        connection.execute(insert(editions).values(EDITION))
    again = open_database(str(database.url.database))
    with again.connect() as connection:
        assert connection.execute(select(editions.c.name)).scalars().all() == ["e"]
    again.dispose()


def break_rule(database: Engine, **change: object) -> None:
    with pytest.raises(IntegrityError), writing(database) as connection:
        connection.execute(insert(submissions).values(SUBMISSION | change))


def check_rules(database: Engine) -> None:
    """Every promise that the tables themselves keep."""
    with writing(database) as connection:
        connection.execute(insert(editions).values(EDITION))
        connection.execute(insert(submissions).values(SUBMISSION))
    break_rule(database, digest="b" * 64)  # the slot is taken
    break_rule(database, slot=2)  # the same predictions again
    break_rule(database, slot=3, digest="b" * 64)  # beyond the limit
    break_rule(database, slot=0, digest="b" * 64)
    break_rule(database, slot=3, slot_limit=3, digest="b" * 64)  # a limit that is not the edition's
    break_rule(database, slot=2, digest="b" * 64, edition_id=7)
    break_rule(database, slot=2, digest="b" * 64, top1_correct=6)
    break_rule(database, slot=2, digest="b" * 64, top5_correct=11)
    with pytest.raises(IntegrityError), writing(database) as connection:
        connection.execute(insert(editions).values(EDITION))
    with writing(database) as connection:
        connection.execute(insert(submissions).values(SUBMISSION | {"slot": 2, "digest": "b" * 64}))
        connection.execute(insert(submissions).values(SUBMISSION | {"team": "u"}))
        connection.execute(insert(submissions).values(SUBMISSION | {"window_name": "2026-11-25", "digest": "c" * 64}))


def test_the_tables_keep_the_promises(database: Engine) -> None:
    check_rules(database)


def test_a_failed_transaction_leaves_nothing(database: Engine) -> None:
    with pytest.raises(RuntimeError), writing(database) as connection:
        connection.execute(insert(editions).values(EDITION))
        raise RuntimeError
    with database.connect() as connection:
        assert connection.execute(select(editions)).all() == []


def test_writers_wait_for_each_other(database: Engine) -> None:
    """Read, then write what was read plus one: none of 40 increments by four threads may be lost."""
    with writing(database) as connection:
        connection.execute(text("CREATE TABLE counter (value INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    barrier = threading.Barrier(4)
    failures: list[Exception] = []

    def work() -> None:
        barrier.wait()
        try:
            for _ in range(10):
                with writing(database) as connection:
                    value = connection.execute(text("SELECT value FROM counter")).scalar_one()
                    connection.execute(text("UPDATE counter SET value = :v"), {"v": value + 1})
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.connect() as connection:
        assert (connection.execute(text("SELECT value FROM counter")).scalar_one(), failures) == (40, [])


def test_two_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    program = f"from topfive.storage import open_database; open_database({str(tmp_path / 'x.sqlite')!r})"
    both = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]


def test_bad_databases_are_named(tmp_path: Path) -> None:
    noise = tmp_path / "noise.sqlite"
    noise.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(BadInput, match=r"noise\.sqlite: cannot be opened as a database \(file is not a database\)"):
        open_database(noise)
    with pytest.raises(BadInput, match="is no database URL"):
        open_database("://")
    with pytest.raises(BadInput, match="cannot be opened as a database"):
        open_database(tmp_path)
    with pytest.raises(BadInput, match="its folder cannot be made"):
        open_database(noise / "below" / "x.sqlite")


def test_a_database_of_a_newer_topfive_is_refused(database: Engine) -> None:
    with writing(database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadInput, match=r"was written by another version .*9999.*Update topfive"):
        open_database(str(database.url.database))


def test_wal_is_left_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "wal.sqlite"
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("PRAGMA journal_mode=WAL")
    held.execute("CREATE TABLE x (y)")
    held.execute("BEGIN IMMEDIATE")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(BadInput, match=r"wal\.sqlite"):
        patch.setattr("topfive.storage.engine._BUSY_S", 0)
        open_database(path)
    held.execute("ROLLBACK")
    held.close()
    engine = open_database(path)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "delete"
    engine.dispose()


def test_the_password_stays_out_of_refusals() -> None:
    with pytest.raises(BadInput) as error:
        open_database("postgresql+psycopg://topfive:hunter2@127.0.0.1:1/none?connect_timeout=1")
    assert "hunter2" not in str(error.value)
    assert "127.0.0.1" in str(error.value)


@pytest.fixture
def postgres() -> Iterator[str]:
    """A PostgreSQL server of this test's own, in a folder of its own."""
    pytest.importorskip("psycopg", reason="PostgreSQL driver: pip install 'psycopg[binary]'")
    found = [shutil.which("initdb"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    programs = [Path(path).parent for path in found if path]
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        user: dict[str, Any] = {}
        if os.getuid() == 0:  # the server refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()

        def call(program: str, *arguments: str) -> None:
            command = [str(programs[-1] / program), "-D", f"{folder}/data", *arguments]
            subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)

        call("initdb", "-A", "trust", "-U", "topfive")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        call("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://topfive@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.mark.slow
def test_postgresql_by_url(postgres: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = open_database(postgres)
    open_database(postgres).dispose()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    check_rules(engine)
    engine.dispose()
