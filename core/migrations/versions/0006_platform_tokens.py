"""What platforms give us for a while, and what they are to be asked."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.create_table(
        "platform_token",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("credentials", sa.Text(), nullable=False, comment="blind: by which secret, and where, it was got"),
        sa.Column("sealed", sa.Text(), nullable=False, comment="what is kept, under a key of the installation's"),
        sa.Column("renew_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "retry_at", sa.DateTime(timezone=True), nullable=False, comment="nobody asks before, since it failed"
        ),
        sa.PrimaryKeyConstraint("platform", "app", "kind", "credentials", name=op.f("platform_token_pkey")),
    )
    op.create_table(
        "question",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Uuid(), nullable=False, comment="blind: about whom"),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True, comment="about whom, until it is answered"),
        sa.Column("beside", sa.Text(), nullable=True, comment="what is said with it"),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="with a value: not before; without: may be asked again from then on; NULL: never",
        ),
        sa.PrimaryKeyConstraint("account", "identifier", name=op.f("question_pkey")),
    )
    op.create_index(
        op.f("question_account_namespace_due_at_idx"),
        "question",
        ["account", "namespace", "due_at"],
        postgresql_where=sa.text("value IS NOT NULL"),
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("question")
    op.drop_table("platform_token")
