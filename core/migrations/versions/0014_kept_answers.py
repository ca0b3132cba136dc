"""What was answered to requests with an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "kept_answer",
        sa.Column("name", sa.LargeBinary, nullable=False, comment="hash of key, route and Idempotency-Key"),
        sa.Column("key", sa.Text, nullable=False, comment="who asked"),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False, comment="hash of all that was asked"),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False, comment="sealed"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("kept_answer_pkey")),
    )
    op.create_index("kept_answer_at_idx", "kept_answer", ["at"])
    op.create_index("kept_answer_key_idx", "kept_answer", ["key", "at"])


def downgrade() -> None:
    """Take this revision back: requests that are sent again are carried out again."""
    op.drop_table("kept_answer")
