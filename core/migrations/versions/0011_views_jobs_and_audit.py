"""Views for analysts' own tools (the schema `siyu`, in which nothing says who somebody is), jobs, and who looked at whom."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_MASKED = """
    CASE WHEN namespace = 'phone' AND length(value) > 9 THEN left(value, -8) || '****' || right(value, 4)
         WHEN namespace = 'email' AND value LIKE '_%@%' THEN
           CASE WHEN length(value) - length(substring(value FROM '@[^@]*$')) > 1 THEN left(value, 1) ELSE '' END
             || '***' || substring(value FROM '@[^@]*$')
         WHEN length(value) >= 8 THEN left(value, 2) || '***' || right(value, 2)
         ELSE '***' END
"""

# Whose a link is: his who called it his own first.
_LINKS = """
    SELECT DISTINCT ON (article_id, token) article_id, token, anchor, shared_at
      FROM share ORDER BY article_id, token, shared_at, anchor
"""

_TOUCHES = f"""
    SELECT touch.article_id, reader.person_id, touch.entered_at, sharer.person_id AS sharer_id
      FROM article_touch AS touch
      JOIN identifier AS reader ON reader.id = touch.anchor
      LEFT JOIN ({_LINKS}) AS link ON link.article_id = touch.article_id AND link.token = touch.token
      LEFT JOIN identifier AS sharer ON sharer.id = link.anchor
"""  # noqa: S608 - no value in it

_ENTERED = """
    SELECT touch.article_id, reader.person_id, min(touch.entered_at) AS entered_at
      FROM article_touch AS touch JOIN identifier AS reader ON reader.id = touch.anchor GROUP BY 1, 2
"""

_VIEWS = {
    "people": (
        "Everybody, one row for each person. Nothing in it says who it is.",
        """
        SELECT own.person_id,
               (array_agg(own.namespace) FILTER (WHERE own.id = own.person_id))[1] AS canonical_namespace,
               count(*) AS identifiers,
               bool_and(own.weak) AS is_anonymous,
               min(own.first_at) AS first_seen_at,
               max(CAST(summary.body #>> '{lasts,any}' AS timestamptz)) AS last_seen_at,
               CAST(coalesce(sum(summary.events), 0) AS bigint) AS events,
               (array_agg(summary.body #>> '{stated,company,2}'
                          ORDER BY (summary.body #>> '{stated,company,0}') COLLATE "C" DESC,
                                   (summary.body #>> '{stated,company,1}') COLLATE "C" DESC)
                  FILTER (WHERE summary.body #> '{stated,company}' IS NOT NULL))[1] AS company
          FROM identifier AS own LEFT JOIN summary ON summary.identifier_id = own.id
         WHERE own.standing IN (0, 3)
         GROUP BY own.person_id
        """,
        {
            "person_id": "The person, in all views. After a merge or a split it is another one: join, do not keep.",
            "canonical_namespace": "The kind of identifier whose id the person bears.",
            "identifiers": "How many identifiers are his.",
            "is_anonymous": "Only cookies, devices and the like are known of him.",
            "first_seen_at": "When the first of his identifiers was first named.",
            "last_seen_at": "When the last event of his happened.",
            "events": "How many events stand under his identifiers; those of robots do not.",
            "company": "For whom he last said that he works.",
        },
    ),
    "identifiers": (
        "Every identifier, masked. Its id is a hash under the key of the installation, so it tells nothing without that.",
        f"""
        SELECT id AS identifier_id,
               CASE WHEN standing IN (0, 3) THEN person_id END AS person_id,
               namespace, scope, {_MASKED} AS masked_value,
               weak AS is_weak,
               (ARRAY['owned', 'contested', 'generic', 'presumed', 'blocked'])[standing + 1] AS standing,
               first_at AS first_seen_at
          FROM identifier WHERE standing <> 5
        """,  # noqa: S608 - no value in it
        {
            "identifier_id": "The identifier, by HMAC-SHA-256 under the key of the installation.",
            "person_id": "Whose it is; NULL where it is nobody's.",
            "namespace": "The kind of identifier: phone, email, wechat_openid, …",
            "scope": "Within which it is valid (an appid, a corp); empty: everywhere.",
            "masked_value": "Enough of it to tell two apart, and no more.",
            "is_weak": "It names a browser or a device.",
            "standing": "owned or presumed (somebody's); contested, generic or blocked (nobody's).",
            "first_seen_at": "When it was first named.",
        },
    ),
    "events": (
        "Every event that is recorded and was not taken back, those of robots too.",
        """
        SELECT touchpoint.uid AS event_id, owner.person_id, touchpoint.type, touchpoint.channel,
               touchpoint.body ->> 'source' AS source,
               touchpoint.body ->> 'trust' AS trust,
               touchpoint.occurred_at, touchpoint.received_at,
               CAST(touchpoint.body ->> 'claimed_at' AS timestamptz) AS claimed_at,
               coalesce(touchpoint.verdict, 'human') AS verdict,
               touchpoint.body #>> '{article,id}' AS article_id,
               touchpoint.body #>> '{share,scene}' AS scene,
               touchpoint.body #>> '{campaign,id}' AS campaign_id,
               touchpoint.body #>> '{campaign,source}' AS campaign_source,
               touchpoint.body #>> '{campaign,medium}' AS campaign_medium,
               touchpoint.body #>> '{campaign,name}' AS campaign_name,
               touchpoint.body #>> '{order,id}' AS order_id,
               CAST(touchpoint.body #>> '{order,amount}' AS bigint) AS order_amount,
               touchpoint.body #>> '{order,currency}' AS order_currency
          FROM touchpoint
          LEFT JOIN identifier AS owner
            ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3) AND touchpoint.verdict IS NULL
         WHERE NOT touchpoint.void
        """,
        {
            "event_id": "The event, by a hash of its source and the id that it has there.",
            "person_id": "Whose it is today; NULL where it is nobody's, or a robot's.",
            "type": "What happened: article.read, order.paid, …",
            "channel": "Where.",
            "source": "Who reported it.",
            "trust": "Who vouches for it: browser (anybody), server or import.",
            "occurred_at": "When it happened, by the clock of the channel.",
            "received_at": "When we took it.",
            "claimed_at": "What the channel said, where that was too old or in the future, and occurred_at was moved.",
            "verdict": "human, suspected or bot.",
            "article_id": "The article that it is about.",
            "scene": "Where an article was passed on: friend, group, moments or other.",
            "campaign_id": "The effort that it belongs to.",
            "campaign_source": "utm_source.",
            "campaign_medium": "utm_medium.",
            "campaign_name": "utm_campaign.",
            "order_id": "The order that it is about.",
            "order_amount": "How much, in minor units (fen).",
            "order_currency": "In which currency.",
        },
    ),
    "articles": (
        "Every article that an event named.",
        "SELECT id AS article_id, title, topics, first_at AS first_seen_at, nameless_reads, bot_reads FROM article",
        {
            "article_id": "The article, as events call it.",
            "title": "As it was last stated.",
            "topics": "As they were last stated.",
            "first_seen_at": "When an event first named it.",
            "nameless_reads": "Reads in which nobody was named at all.",
            "bot_reads": "Reads that are no human's.",
        },
    ),
    "article_reads": (
        "Who read which article: one row for each article and person, robots left out.",
        """
        SELECT touch.article_id, reader.person_id,
               min(touch.first_read_at) AS first_read_at, max(touch.last_read_at) AS last_read_at,
               CAST(sum(touch.reads) AS bigint) AS reads,
               CAST(sum(touch.dwell_ms) AS bigint) AS dwell_ms,
               max(touch.scroll) AS scroll,
               (array_agg(touch.scene ORDER BY touch.first_read_at, coalesce(touch.scene, '')))[1] AS scene,
               bool_and(reader.standing = 3) AS is_presumed
          FROM article_touch AS touch JOIN identifier AS reader ON reader.id = touch.anchor
         WHERE touch.reads > 0
         GROUP BY touch.article_id, reader.person_id
        """,
        {
            "article_id": "The article.",
            "person_id": "Who read it. A device that is nobody's reads by itself, and is not in siyu.people.",
            "first_read_at": "When first.",
            "last_read_at": "When last.",
            "reads": "How often.",
            "dwell_ms": "For how long in all, in milliseconds.",
            "scroll": "How far down, from 0 to 1.",
            "scene": "Where the link of the first read was passed on.",
            "is_presumed": "All of it is presumed to be his.",
        },
    ),
    "shares": (
        "Links by which articles are passed on: one row for each, of whoever called it his own first.",
        f"""
        SELECT link.article_id, sharer.person_id, link.shared_at
          FROM ({_LINKS}) AS link JOIN identifier AS sharer ON sharer.id = link.anchor
        """,  # noqa: S608 - no value in it
        {
            "article_id": "The article.",
            "person_id": "Whose link it is.",
            "shared_at": "Since when.",
        },
    ),
    "share_edges": (
        "The share trees: one row for each article and person whom it reached, with the one who brought him.",
        f"""
        SELECT entered.article_id, entered.person_id, above.person_id AS parent_id, entered.entered_at
          FROM ({_ENTERED}) AS entered
          LEFT JOIN (
            SELECT DISTINCT ON (article_id, person_id) article_id, person_id, sharer_id
              FROM ({_TOUCHES}) AS touched
             WHERE sharer_id IS DISTINCT FROM person_id
             ORDER BY article_id, person_id, entered_at, sharer_id NULLS LAST
          ) AS brought ON brought.article_id = entered.article_id AND brought.person_id = entered.person_id
          LEFT JOIN ({_ENTERED}) AS above
            ON above.article_id = entered.article_id AND above.person_id = brought.sharer_id
           AND (above.entered_at, above.person_id) < (entered.entered_at, entered.person_id)
        """,  # noqa: S608 - no value in it
        {
            "article_id": "The article.",
            "person_id": "Whom it reached.",
            "parent_id": "By whose link he came; NULL: the push itself reached him.",
            "entered_at": "When he first came across it.",
        },
    ),
    "follows": (
        "Who follows which official account, as it was last said.",
        """
        SELECT DISTINCT ON (own.person_id, said.key)
               own.person_id, substr(said.key, 9) AS account,
               CAST(said.value ->> 2 AS boolean) AS is_following,
               CAST(said.value ->> 0 AS timestamptz) AS said_at
          FROM identifier AS own
          JOIN summary ON summary.identifier_id = own.id
         CROSS JOIN LATERAL json_each(summary.body -> 'stated') AS said
         WHERE own.standing IN (0, 3) AND said.key LIKE 'follows/%'
         ORDER BY own.person_id, said.key, (said.value ->> 0) COLLATE "C" DESC, (said.value ->> 1) COLLATE "C" DESC
        """,
        {
            "person_id": "The person.",
            "account": "The account, by its appid.",
            "is_following": "Whether he follows it.",
            "said_at": "When he began or ceased to.",
        },
    ),
    "orders": (
        "What people bought: one row for each person, order and currency that something was paid for.",
        """
        SELECT person_id, order_id, currency, min(at) FILTER (WHERE is_paid) AS paid_at,
               CAST(coalesce(sum(amount) FILTER (WHERE is_paid), 0) AS bigint) AS paid,
               CAST(coalesce(sum(amount) FILTER (WHERE NOT is_paid), 0) AS bigint) AS refunded,
               CAST(sum(CASE WHEN is_paid THEN amount ELSE -amount END) AS bigint) AS amount
          FROM (
            SELECT owner.person_id, body #>> '{order,id}' AS order_id, body #>> '{order,currency}' AS currency,
                   least(occurred_at,
                         CASE WHEN body ->> 'trust' <> 'browser' THEN CAST(body ->> 'claimed_at' AS timestamptz) END) AS at,
                   type <> 'order.refunded' AS is_paid, CAST(body #>> '{order,amount}' AS bigint) AS amount
              FROM touchpoint JOIN identifier AS owner ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3)
             WHERE type IN ('order.paid', 'mini_program.paid', 'live.ordered', 'order.refunded')
               AND NOT void AND verdict IS NULL AND json_typeof(body -> 'order') = 'object'
          ) AS money
         WHERE at < now()
         GROUP BY person_id, order_id, currency
        HAVING bool_or(is_paid)
        """,
        {
            "person_id": "Who paid.",
            "order_id": "The order.",
            "currency": "In which currency.",
            "paid_at": "When the first payment was made, also where that is longer ago than events may be.",
            "paid": "How much was paid, in minor units (fen).",
            "refunded": "How much of it was paid back.",
            "amount": "What is left: paid less refunded.",
        },
    ),
}


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="whose it is"),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("is_clear", sa.Boolean(), nullable=False, comment="whoever asked may see who people are"),
        sa.Column("status", sa.Text(), nullable=False, comment="queued, running, done or failed"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("rows_expected", sa.BigInteger(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("job_pkey")),
    )
    op.create_table(
        "job_part",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("job_part_pkey")),
    )
    op.execute("ALTER TABLE job_part ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="who looked"),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=True, comment="rows that were seen; NULL: one answer"),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_pkey")),
    )
    op.execute("CREATE SCHEMA siyu")
    op.execute("COMMENT ON SCHEMA siyu IS 'Views for analysts: nothing in them says who somebody is.'")
    for name, (meaning, query, columns) in _VIEWS.items():
        op.execute(f"CREATE VIEW siyu.{name} AS {query}")
        op.execute(f"COMMENT ON VIEW siyu.{name} IS {_quoted(meaning)}")
        for column, says in columns.items():
            op.execute(f"COMMENT ON COLUMN siyu.{name}.{column} IS {_quoted(says)}")


def downgrade() -> None:
    """Take this revision back."""
    op.execute("DROP SCHEMA siyu CASCADE")
    op.drop_table("audit")
    op.drop_table("job_part")
    op.drop_table("job")


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
