"""How far shops have been asked for their orders."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "poll_mark",
        sa.Column("shop", sa.Text(), nullable=False),
        sa.Column(
            "modified_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="of the last order that the shop told",
        ),
        sa.PrimaryKeyConstraint("shop", name=op.f("poll_mark_pkey")),
    )


def downgrade() -> None:
    """Take this revision back: shops are asked for the orders of a day."""
    op.drop_table("poll_mark")
