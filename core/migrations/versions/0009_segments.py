"""Segments, layers and stages: the rules, who stands where, and when to look again; links found by who shared and opened them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "rule_set",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("filled", sa.BigInteger, nullable=False, comment="the version by which everybody was looked at"),
        sa.Column("as_of", sa.DateTime(timezone=True), comment="when everybody was looked at; NULL: never yet"),
        sa.Column("judged_by", sa.Text, comment="by which rules of intent and traits"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column(
            "removed", sa.Boolean, nullable=False, server_default="false", comment="to be emptied, and then forgotten"
        ),
    )
    op.create_table(
        "membership",
        sa.Column("set_name", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Uuid, primary_key=True),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("membership_person_id_idx", "membership", ["person_id"])
    op.create_table(
        "recheck",
        sa.Column("person_id", sa.Uuid, primary_key=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), nullable=False, comment="when time alone can change where he stands"
        ),
    )
    op.create_index("recheck_at_idx", "recheck", ["at"])
    op.create_table(
        "fifths",
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recency", sa.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("frequency", sa.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("monetary", sa.ARRAY(sa.BigInteger), nullable=False),
    )
    op.create_index("article_touch_anchor_idx", "article_touch", ["anchor"])
    op.create_index("article_touch_token_idx", "article_touch", ["token"], postgresql_where=sa.text("token <> ''"))
    op.create_index("share_anchor_idx", "share", ["anchor"])


def downgrade() -> None:
    """Bring the schema from this revision to the one before."""
    op.drop_index("share_anchor_idx", "share")
    op.drop_index("article_touch_token_idx", "article_touch")
    op.drop_index("article_touch_anchor_idx", "article_touch")
    op.drop_table("fifths")
    op.drop_table("recheck")
    op.drop_table("membership")
    op.drop_table("rule_set")
