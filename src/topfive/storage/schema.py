"""The tables, as SQLAlchemy sees them; the migrations beside it build the same ones, and a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
"""Every constraint has a name, the same in each database."""

editions = Table(
    "editions",
    metadata,
    Column("edition_id", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("split", String(100), nullable=False),
    Column("classes", String(64), nullable=False),
    Column("dataset", String(64), nullable=False),
    Column("n", Integer, nullable=False),
    Column("rank_by", String(4), nullable=False),
    Column("slot_limit", Integer, nullable=False),
    Column("window_kind", String(7), nullable=False),
    Column("protocol", String(100), nullable=False),
    Column("commitment", String(64), nullable=False),
    Column("created", String(27), nullable=False),
    UniqueConstraint("name"),
    UniqueConstraint("edition_id", "slot_limit"),
    CheckConstraint("rank_by IN ('top1', 'top5')", name="rank_by"),
    CheckConstraint("window_kind IN ('day', 'week', 'edition')", name="window_kind"),
    CheckConstraint("slot_limit >= 1", name="slot_limit"),
)
"""Digests are hex; times are UTC as `2026-11-24T10:00:00.000000Z`, which sorts as text in any database."""

submissions = Table(
    "submissions",
    metadata,
    Column("submission_id", Integer, primary_key=True),
    Column("edition_id", Integer, nullable=False),
    Column("slot_limit", Integer, nullable=False),
    Column("team", String(100), nullable=False),
    Column("window_name", String(10), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("received", String(27), nullable=False),
    Column("system", String(100), nullable=False),
    Column("title", String(200), nullable=False),
    Column("year", Integer, nullable=False),
    Column("run", String(200), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("contaminated", String(10), nullable=False),
    Column("n", Integer, nullable=False),
    Column("top1_correct", Integer, nullable=False),
    Column("top5_correct", Integer, nullable=False),
    # The row carries its edition's limit, and the key below says that it is the edition's: so slot N + 1 cannot exist.
    ForeignKeyConstraint(["edition_id", "slot_limit"], ["editions.edition_id", "editions.slot_limit"]),
    UniqueConstraint("edition_id", "team", "window_name", "slot"),
    UniqueConstraint("edition_id", "team", "digest"),
    CheckConstraint("slot BETWEEN 1 AND slot_limit", name="slot"),
    CheckConstraint("0 <= top1_correct AND top1_correct <= top5_correct AND top5_correct <= n", name="counts"),
)
"""One row a scored submission. The same predictions of a team are one row, however often they are sent."""
