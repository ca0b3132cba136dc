"""Companies found without looking at every touchpoint, and leads."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index(
        "touchpoint_company_idx",
        "touchpoint",
        ["anchor"],
        postgresql_where=sa.text("json_typeof(body -> 'company') = 'object'"),
    )
    op.create_index(
        "identifier_mailbox_idx",
        "identifier",
        [sa.literal_column("reverse(split_part(value, '@', 2))").label("backwards")],
        postgresql_where=sa.text("namespace = 'email'"),
        postgresql_ops={"backwards": "text_pattern_ops"},
    )
    op.create_table(
        "lead",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True, comment="as it was when the lead was opened"),
        sa.Column("company_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False, comment="a key, or: intent"),
        sa.Column("first_response_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("lead_pkey")),
    )
    op.create_index(op.f("lead_person_id_idx"), "lead", ["person_id"])
    op.create_index(op.f("lead_company_id_idx"), "lead", ["company_id"])
    op.create_index("lead_opened_at_idx", "lead", ["opened_at", "id"])
    op.create_table(
        "lead_change",
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False, comment="what was changed, as it is since"),
        sa.PrimaryKeyConstraint("lead_id", "version", name=op.f("lead_change_pkey")),
    )


def downgrade() -> None:
    """Bring the schema from this revision to the one before."""
    op.drop_table("lead_change")
    op.drop_table("lead")
    op.drop_index("identifier_mailbox_idx", "identifier")
    op.drop_index("touchpoint_company_idx", "touchpoint")
