"""The first schema"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("api_key_pkey")),
        sa.UniqueConstraint("hash", name=op.f("api_key_hash_key")),
    )
    op.create_table(
        "article",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column(
            "title_stamp",
            sa.Text(collation="C"),
            nullable=False,
            comment="time and uid of the event that stated it; empty: none",
        ),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("url_stamp", sa.Text(collation="C"), nullable=False),
        sa.Column("topics", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("topics_stamp", sa.Text(collation="C"), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "nameless_reads",
            sa.BigInteger(),
            nullable=False,
            comment="reads without a usable identifier, robots not counted",
        ),
        sa.Column("bot_reads", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("article_pkey")),
    )
    op.create_table(
        "article_touch",
        sa.Column("article_id", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False, comment="the link by which it came; empty: none"),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.Column("first_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dwell_ms", sa.BigInteger(), nullable=False),
        sa.Column("scroll", sa.Float(), nullable=False),
        sa.Column("scene", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("article_id", "anchor", "token", name=op.f("article_touch_pkey")),
    )
    op.create_table(
        "identifier",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("weak", sa.Boolean(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("vouched", sa.Boolean(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("component_id", sa.Uuid(), nullable=False),
        sa.Column("standing", sa.SmallInteger(), nullable=False),
        sa.Column(
            "closures",
            sa.JSON(),
            nullable=True,
            comment="the stitcher's: why it is out of the game, by round; NULL: it is not",
        ),
        sa.Column("witnesses", sa.ARRAY(sa.Uuid()), nullable=True, comment="the identifiers that closures rest on"),
        sa.PrimaryKeyConstraint("id", name=op.f("identifier_pkey")),
    )
    op.create_index(op.f("identifier_component_id_idx"), "identifier", ["component_id"], unique=False)
    op.create_index(
        "identifier_witnesses_idx",
        "identifier",
        ["witnesses"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("witnesses IS NOT NULL"),
        postgresql_with={"fastupdate": "off"},
    )
    op.create_table(
        "identity_change",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("others", sa.ARRAY(sa.Uuid()), nullable=False, comment="people merged from, or split into"),
        sa.Column("identifiers", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("cause", sa.ARRAY(sa.Text()), nullable=False, comment="ids of the events that brought it about"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "version", "kind", name=op.f("identity_change_pkey")),
    )
    op.create_table(
        "link",
        sa.Column("one", sa.Uuid(), nullable=False),
        sa.Column("other", sa.Uuid(), nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column(
            "trusted_weight", sa.SmallInteger(), nullable=True, comment="what trusted sources say; NULL: none did"
        ),
        sa.Column("trusted_last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True, comment="why it unites nobody; NULL: it does"),
        sa.PrimaryKeyConstraint("one", "other", name=op.f("link_pkey")),
    )
    op.create_index("link_other_idx", "link", ["other"], unique=False)
    op.create_table(
        "log_batch",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base_position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("appended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "base_position", name=op.f("log_batch_pkey")),
    )
    op.create_table(
        "log_head",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("log_head_pkey")),
    )
    op.create_table(
        "log_position",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "group", "partition", name=op.f("log_position_pkey")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "xid", sa.BigInteger(), server_default=sa.text("(pg_current_xact_id()::text::bigint)"), nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
    )
    op.create_index(op.f("outbox_xid_id_idx"), "outbox", ["xid", "id"], unique=False)
    op.create_table(
        "outbox_position",
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sink", name=op.f("outbox_position_pkey")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("person_pkey")),
    )
    op.create_table(
        "quarantine",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "position", name=op.f("quarantine_pkey")),
    )
    op.create_table(
        "share",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("article_id", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Uuid(), nullable=False),
        sa.Column("shared_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("share_pkey")),
    )
    op.create_index("share_article_id_idx", "share", ["article_id"], unique=False)
    op.create_table(
        "summary",
        sa.Column("identifier_id", sa.Uuid(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("identifier_id", name=op.f("summary_pkey")),
    )
    op.create_table(
        "touchpoint",
        sa.Column("uid", sa.Uuid(), nullable=False),
        sa.Column("anchor", sa.Uuid(), nullable=True, comment="the best identifier; NULL: none was usable"),
        sa.Column(
            "others", sa.ARRAY(sa.Uuid()), nullable=False, comment="identifiers that the event links to the anchor"
        ),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "ambiguous",
            sa.Boolean(),
            nullable=False,
            comment="named two values of one unique namespace, so links nothing",
        ),
        sa.Column("body", sa.JSON(), nullable=False, comment="the event as it stands in the log"),
        sa.PrimaryKeyConstraint("uid", name=op.f("touchpoint_pkey")),
    )
    op.create_index("touchpoint_anchor_occurred_at_idx", "touchpoint", ["anchor", "occurred_at", "uid"], unique=False)
    # Neither is worth the time that the server would take to compress it, and SQLAlchemy has no words for that.
    op.execute("ALTER TABLE log_batch ALTER COLUMN body SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE outbox ALTER COLUMN messages SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index("touchpoint_anchor_occurred_at_idx", table_name="touchpoint")
    op.drop_table("touchpoint")
    op.drop_table("summary")
    op.drop_index("share_article_id_idx", table_name="share")
    op.drop_table("share")
    op.drop_table("quarantine")
    op.drop_table("person")
    op.drop_table("outbox_position")
    op.drop_index(op.f("outbox_xid_id_idx"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("log_position")
    op.drop_table("log_head")
    op.drop_table("log_batch")
    op.drop_index("link_other_idx", table_name="link")
    op.drop_table("link")
    op.drop_table("identity_change")
    op.drop_index(
        "identifier_witnesses_idx",
        table_name="identifier",
        postgresql_using="gin",
        postgresql_where=sa.text("witnesses IS NOT NULL"),
        postgresql_with={"fastupdate": "off"},
    )
    op.drop_index(op.f("identifier_component_id_idx"), table_name="identifier")
    op.drop_table("identifier")
    op.drop_table("article_touch")
    op.drop_table("article")
    op.drop_table("api_key")
