"""What is imported beside events: how files are to be read, and what platforms count."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.create_table(
        "mapping",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False, comment="the mapping as its file writes it"),
        sa.PrimaryKeyConstraint("name", name=op.f("mapping_pkey")),
    )
    op.create_table(
        "official_count",
        sa.Column("article_id", sa.Text(), nullable=False),
        sa.Column(
            "as_of", sa.DateTime(timezone=True), nullable=False, comment="of several statements the latest counts"
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="who says so, in the words of whoever brought it"),
        sa.Column("reads", sa.BigInteger(), nullable=False),
        sa.Column("readers", sa.BigInteger(), nullable=True),
        sa.Column("shares", sa.BigInteger(), nullable=True),
        sa.Column(
            "by_source",
            sa.JSON(),
            nullable=False,
            comment="reads by where the platform says that readers came from",
        ),
        sa.PrimaryKeyConstraint("article_id", name=op.f("official_count_pkey")),
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("official_count")
    op.drop_table("mapping")
