"""Whom nobody is to address, and whom somebody tagged found without reading everything."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "do_not_contact",
        sa.Column("identifier_id", sa.Uuid, primary_key=True, comment="the blind index of what is not to be addressed"),
        sa.Column("masked", sa.Text, nullable=False, comment="as much of it as may be shown"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
    )
    op.create_index("do_not_contact_at_idx", "do_not_contact", ["at", "identifier_id"])
    op.create_index(
        "touchpoint_tagged_idx", "touchpoint", ["anchor"], postgresql_where=sa.text("type = 'person.tagged'")
    )


def downgrade() -> None:
    """Bring the schema from this revision to the one before: the list is forgotten."""
    op.drop_index("touchpoint_tagged_idx", "touchpoint")
    op.drop_table("do_not_contact")
