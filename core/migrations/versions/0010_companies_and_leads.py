"""Companies found without looking at every touchpoint, and leads."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index(
        "touchpoint_company_idx",
        "touchpoint",
        ["anchor"],
        postgresql_where=sa.text("(body -> 'company') IS NOT NULL"),
    )
    op.create_index(
        "identifier_mailbox_idx",
        "identifier",
        ["person_id"],
        postgresql_where=sa.text("namespace = 'email'"),
    )


def downgrade() -> None:
    """Bring the schema from this revision to the one before."""
    op.drop_index("identifier_mailbox_idx", "identifier")
    op.drop_index("touchpoint_company_idx", "touchpoint")
