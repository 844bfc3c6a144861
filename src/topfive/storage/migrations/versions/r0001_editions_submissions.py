"""The tables of a challenge: editions and submissions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Build both tables."""
    op.create_table(
        "editions",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("split", sa.String(100), nullable=False),
        sa.Column("classes", sa.String(64), nullable=False),
        sa.Column("dataset", sa.String(64), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("rank_by", sa.String(4), nullable=False),
        sa.Column("slot_limit", sa.Integer(), nullable=False),
        sa.Column("window_kind", sa.String(7), nullable=False),
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("commitment", sa.String(64), nullable=False),
        sa.Column("created", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("edition_id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("edition_id", "slot_limit"),
        sa.CheckConstraint("rank_by IN ('top1', 'top5')", name="rank_by"),
        sa.CheckConstraint("window_kind IN ('day', 'week', 'edition')", name="window_kind"),
        sa.CheckConstraint("slot_limit >= 1", name="slot_limit"),
    )
    op.create_table(
        "submissions",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("slot_limit", sa.Integer(), nullable=False),
        sa.Column("team", sa.String(100), nullable=False),
        sa.Column("window_name", sa.String(10), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("received", sa.String(27), nullable=False),
        sa.Column("system", sa.String(100), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(200), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("contaminated", sa.String(10), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("top1_correct", sa.Integer(), nullable=False),
        sa.Column("top5_correct", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("submission_id"),
        sa.ForeignKeyConstraint(["edition_id", "slot_limit"], ["editions.edition_id", "editions.slot_limit"]),
        sa.UniqueConstraint("edition_id", "team", "window_name", "slot"),
        sa.UniqueConstraint("edition_id", "team", "digest"),
        sa.CheckConstraint("slot BETWEEN 1 AND slot_limit", name="slot"),
        sa.CheckConstraint("0 <= top1_correct AND top1_correct <= top5_correct AND top5_correct <= n", name="counts"),
    )


def downgrade() -> None:
    """Drop both tables with what they hold."""
    op.drop_table("submissions")
    op.drop_table("editions")
