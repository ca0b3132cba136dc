"""Tracked links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.create_table(
        "tracked_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True, comment="an identifier as text"),
        sa.Column("sending", sa.Text(), nullable=True),
        sa.Column("properties", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("honeypot", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False, comment="who asked, and by which idempotency key"),
        sa.Column("place", sa.Integer(), nullable=False, comment="within the request"),
        sa.PrimaryKeyConstraint("id", name=op.f("tracked_link_pkey")),
        sa.UniqueConstraint("request", "place", name=op.f("tracked_link_request_place_key")),
    )


def downgrade() -> None:
    """Bring the schema back to the revision before."""
    op.drop_table("tracked_link")
