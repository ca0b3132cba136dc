"""Directives, the first openings of links, and what is needed to read events again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.create_table(
        "directive",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False, comment="no other directive in force takes it back"),
        sa.Column(
            "carried_out_at", sa.DateTime(timezone=True), nullable=True, comment="NULL: not yet on all that it is about"
        ),
        sa.Column("body", sa.JSON(), nullable=False, comment="the directive as it stands in the log"),
        sa.PrimaryKeyConstraint("id", name=op.f("directive_pkey")),
    )
    op.create_index("directive_decided_at_id_idx", "directive", ["decided_at", "id"], unique=False)
    op.create_table(
        "directive_subject",
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("directive_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "directive_id", name=op.f("directive_subject_pkey")),
    )
    op.create_table(
        "growth",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("identifiers", sa.Integer(), nullable=False, comment="the most that came to be within an hour"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("growth_pkey")),
    )
    op.create_index(
        "link_review_idx",
        "link",
        ["last_at"],
        unique=False,
        postgresql_where=sa.text("refused = ANY (ARRAY['vouching'::text, 'size'::text])"),
    )
    op.create_table(
        "opening",
        sa.Column("token_id", sa.Uuid(), nullable=False, comment="the blind index of the link's token"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("uid", sa.Uuid(), nullable=False),
        sa.Column("opener", sa.Uuid(), nullable=False),
        sa.Column("recipients", sa.ARRAY(sa.Uuid()), nullable=False, comment="to whom the link was delivered"),
        sa.PrimaryKeyConstraint("token_id", name=op.f("opening_pkey")),
    )
    op.create_index(op.f("opening_opener_idx"), "opening", ["opener"], unique=False)
    op.add_column(
        "touchpoint",
        sa.Column(
            "beside",
            sa.ARRAY(sa.Uuid()),
            nullable=True,
            comment="identifiers that it names and does not link, and tokens of links that it opened",
        ),
    )
    op.add_column(
        "touchpoint",
        sa.Column(
            "void",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="decided to be as if it had never come",
        ),
    )
    op.create_index(
        "touchpoint_beside_idx",
        "touchpoint",
        ["beside"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("beside IS NOT NULL"),
        postgresql_with={"fastupdate": "off"},
    )
    op.drop_constraint("share_pkey", "share", type_="primary")
    op.create_primary_key("share_pkey", "share", ["token", "anchor", "article_id"])
    op.add_column(
        "api_key",
        sa.Column(
            "namespaces",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="of the identifiers that its events may name; NULL: any",
        ),
    )


def downgrade() -> None:
    """Take this revision back; of a link that several call their own the first one's claim is kept."""
    op.drop_column("api_key", "namespaces")
    op.execute(
        "DELETE FROM share USING share AS earlier WHERE earlier.token = share.token"
        " AND (earlier.shared_at, earlier.anchor, earlier.article_id) < (share.shared_at, share.anchor, share.article_id)"
    )
    op.drop_constraint("share_pkey", "share", type_="primary")
    op.create_primary_key("share_pkey", "share", ["token"])
    op.drop_index(
        "touchpoint_beside_idx",
        table_name="touchpoint",
        postgresql_using="gin",
        postgresql_where=sa.text("beside IS NOT NULL"),
        postgresql_with={"fastupdate": "off"},
    )
    op.drop_column("touchpoint", "void")
    op.drop_column("touchpoint", "beside")
    op.drop_index(op.f("opening_opener_idx"), table_name="opening")
    op.drop_table("opening")
    op.drop_index(
        "link_review_idx",
        table_name="link",
        postgresql_where=sa.text("refused = ANY (ARRAY['vouching'::text, 'size'::text])"),
    )
    op.drop_table("growth")
    op.drop_table("directive_subject")
    op.drop_index("directive_decided_at_id_idx", table_name="directive")
    op.drop_table("directive")
