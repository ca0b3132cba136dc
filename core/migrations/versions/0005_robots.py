"""Verdicts on whose deed an event was, and what events say for the verdict on one another."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision. What said of itself that it was a robot's has its verdict at once, for all else that was
    recorded before, `siyu rebuild` makes it."""
    op.create_table(
        "robot_evidence",
        sa.Column(
            "message",
            sa.Uuid(),
            nullable=False,
            comment="blind: a message's id or a link's token, and to whom it was sent",
        ),
        sa.Column("place", sa.Integer(), nullable=False, comment="within the message, by who came first"),
        sa.Column("uid", sa.Uuid(), nullable=False, comment="the event that says so"),
        sa.Column("said", sa.SmallInteger(), nullable=False, comment="1: sent, 2: acted on, 3: its trap was touched"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("network", sa.Uuid(), nullable=True, comment="blind: from where"),
        sa.Column("link", sa.Uuid(), nullable=True, comment="blind: which of its links"),
        sa.PrimaryKeyConstraint("message", "place", name=op.f("robot_evidence_pkey")),
    )
    op.add_column(
        "touchpoint", sa.Column("verdict", sa.Text(), nullable=True, comment="suspected, or bot; NULL: a human's")
    )
    op.add_column(
        "touchpoint", sa.Column("reasons", sa.ARRAY(sa.Text()), nullable=True, comment="why it is not a human's")
    )
    op.execute(
        "UPDATE touchpoint SET verdict = 'bot', reasons = '{declared}'"
        " WHERE NOT void AND 'true' IN ((body #> '{properties,bot}')::text, (body #> '{context,bot}')::text)"
    )


def downgrade() -> None:
    """Take this revision back. Events of robots stay without an anchor."""
    op.drop_column("touchpoint", "reasons")
    op.drop_column("touchpoint", "verdict")
    op.drop_table("robot_evidence")
