"""Webhooks, and what is delivered to them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "webhook",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("types", sa.ARRAY(sa.Text), comment="what it hears of; NULL: of everything"),
        sa.Column("segment", sa.Text, comment="it hears of people in this one; NULL: of all"),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False, comment="sealed"),
        sa.Column("old_secret", sa.Text, comment="sealed; signs too, for a while"),
        sa.Column("old_secret_until", sa.DateTime(timezone=True)),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), comment="nothing was taken since; NULL: something was"),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("disabled_reason", sa.Text),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("webhook_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False, comment="CloudEvents id: the same at each attempt"),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), comment="set while it waits"),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("status_code", sa.Integer, comment="of the last answer"),
        sa.Column("took_ms", sa.Integer),
        sa.Column("error", sa.Text),
    )
    op.create_index("webhook_delivery_log_idx", "webhook_delivery", ["webhook_id", "id"])
    op.create_index(
        "webhook_delivery_due_idx",
        "webhook_delivery",
        ["webhook_id", "due_at"],
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index(
        "webhook_delivery_ended_idx",
        "webhook_delivery",
        ["ended_at"],
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Bring the schema from this revision to the one before: webhooks, and what waits for them, are forgotten."""
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
