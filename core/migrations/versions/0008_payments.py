"""Payments and refunds found without looking at every touchpoint."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index(
        "touchpoint_payment_idx",
        "touchpoint",
        ["anchor"],
        postgresql_where=sa.text("type IN ('order.paid', 'mini_program.paid', 'live.ordered', 'order.refunded')"),
    )


def downgrade() -> None:
    """Bring the schema from this revision to the one before."""
    op.drop_index("touchpoint_payment_idx", "touchpoint")
