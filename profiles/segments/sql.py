"""The relations that conditions are asked of in SQL: statements, consents and orders of people, and who stands below whom."""

from profiles import consent, orders, relations
from profiles.summary import CHANNEL_LENGTH_MAX, PAID, REFUNDED


def fading(bound: str, shortest: str) -> str:
    """Return how long a score stays on its side of *bound*, as an interval; NULL: for good. See `judging.fading`."""
    good, bad = "sum(good)", "sum(bad)"
    reached = f"""
        CASE WHEN {good} - {bad} >= {bound} THEN ln({good} / ({bound} + {bad}))
             WHEN {good} > {bound} THEN ln({bad} / ({good} - {bound})) END
    """
    return f"({reached}) / ln(CAST(2 AS float8)) * {shortest} * CAST('1 day' AS interval)"


# What each person stated last under a name, over all his identifiers.
LAST = f"""
    SELECT DISTINCT ON (person_id) person_id AS person, stated -> 2 AS value
      FROM (SELECT person_id, body -> 'stated' -> {{name}} AS stated FROM {relations.SUMMARIES}) AS told
     WHERE stated IS NOT NULL ORDER BY person_id, (stated ->> 0) COLLATE "C" DESC, (stated ->> 1) COLLATE "C" DESC
"""  # noqa: S608 - no value in it
FOLLOWS = f"""
    SELECT DISTINCT ON (person_id, stated.key) person_id AS person, substr(stated.key, 9) AS account,
           (stated.value ->> 2) = 'true' AS follows
      FROM {relations.SUMMARIES} CROSS JOIN LATERAL json_each(body -> 'stated') AS stated
     WHERE starts_with(stated.key, 'follows/') AND {{wanted}}
     ORDER BY person_id, stated.key, (stated.value ->> 0) COLLATE "C" DESC, (stated.value ->> 1) COLLATE "C" DESC
"""  # noqa: S608 - no value in it

LINES = f"""
    SELECT person_id AS person, uid, occurred_at AS at, type = 'consent.given' AS is_given,
           (SELECT array_agg(coalesce(one ->> 'scope', '') || ' ' || (one ->> 'value'))
              FROM json_array_elements(body -> 'identifiers') AS one
             WHERE one ->> 'role' = 'subject' AND one ->> 'namespace' = {{namespace}}) AS named
      FROM {relations.OWN}
     WHERE type = ANY({{types}})
       AND CASE WHEN starts_with(type, 'consent.') AND json_typeof(body #> '{{{{properties,channel}}}}') = 'string'
                     AND length(body #>> '{{{{properties,channel}}}}') <= {CHANNEL_LENGTH_MAX}
                THEN body #>> '{{{{properties,channel}}}}' ELSE channel END = {{channel}}
       AND CASE WHEN NOT starts_with(type, 'consent.') THEN {{purpose}} = '{consent.MARKETING}'
                WHEN json_typeof(body #> '{{{{properties,purpose}}}}') = 'string'
                THEN body #>> '{{{{properties,purpose}}}}' IN ('', {{purpose}}) ELSE true END
"""  # noqa: S608 - no value in it

_PAYMENTS = ", ".join(f"'{name}'" for name in PAID)

# When and for how much who ordered what, as `profiles.orders` has it.
ORDERS = f"""
    SELECT person, min(at) FILTER (WHERE is_paid) AS at,
           CAST(sum(CASE WHEN is_paid THEN amount ELSE -amount END) AS bigint) AS amount
      FROM (SELECT person_id AS person, body #>> '{{{{order,id}}}}' AS order_id, {orders.PAID_AT} AS at,
                   type <> '{REFUNDED}' AS is_paid, CAST(body #>> '{{{{order,amount}}}}' AS bigint) AS amount
              FROM {relations.OWN}
             WHERE type IN ({_PAYMENTS}, '{REFUNDED}') AND body #>> '{{{{order,currency}}}}' = {{currency}}) AS money
     GROUP BY person, order_id
    HAVING bool_or(is_paid) AND (bool_and(is_paid) OR sum(CASE WHEN is_paid THEN amount ELSE -amount END) > 0)
"""  # noqa: S608 - no value in it

# Who stands right below whom in the share tree of which article, as `profiles.sharetree` has it: below the one by whose link he
# came at his first touch but those by links of his own, if that one entered before. Of two links at once the lesser id counts.
BROUGHT = """
    WITH link AS MATERIALIZED (
      SELECT DISTINCT ON (article_id, token) article_id, token, owner.person_id AS sharer
        FROM share JOIN identifier AS owner ON owner.id = share.anchor
       ORDER BY article_id, token, shared_at, anchor
    ), touched AS MATERIALIZED (
      SELECT article_id, reader.person_id AS person, touch.entered_at, link.sharer
        FROM article_touch AS touch JOIN identifier AS reader ON reader.id = touch.anchor
        LEFT JOIN link USING (article_id, token)
    ), entered AS MATERIALIZED (
      SELECT article_id, person, min(entered_at) AS at, min(entered_at) FILTER (WHERE sharer IS NULL) AS by_no_link_at
        FROM touched GROUP BY article_id, person
    ), first AS (
      SELECT DISTINCT ON (article_id, person) article_id, person, entered_at, sharer
        FROM touched WHERE sharer <> person ORDER BY article_id, person, entered_at, sharer
    )
    SELECT first.article_id, first.sharer, first.person
      FROM first
      JOIN entered ON entered.article_id = first.article_id AND entered.person = first.person
      JOIN entered AS above ON above.article_id = first.article_id AND above.person = first.sharer
     WHERE (entered.by_no_link_at IS NULL OR first.entered_at <= entered.by_no_link_at)
       AND (above.at, first.sharer) < (entered.at, first.person)
"""

# The same of the links under some *anchors* only, found by index: quick for a few, and slower than the whole for many.
BROUGHT_BY = """
    WITH opened AS MATERIALIZED (
      SELECT DISTINCT touch.article_id, reader.person_id AS person, reader.component_id
        FROM share JOIN article_touch AS touch ON touch.token = share.token AND touch.article_id = share.article_id
        JOIN identifier AS reader ON reader.id = touch.anchor
       WHERE share.anchor IN ({anchors}) AND touch.token <> ''
    )
    SELECT opened.article_id, first.sharer, opened.person
      FROM opened
     CROSS JOIN LATERAL (
       SELECT sharer, component_id, entered FROM (
         SELECT touch.entered_at, sharer.person_id AS sharer, sharer.component_id,
                min(touch.entered_at) OVER () AS entered
           FROM identifier AS own
           JOIN article_touch AS touch ON touch.article_id = opened.article_id AND touch.anchor = own.id
           LEFT JOIN LATERAL (SELECT anchor FROM share
                               WHERE share.token = touch.token AND share.article_id = opened.article_id
                               ORDER BY shared_at, anchor LIMIT 1) AS link ON true
           LEFT JOIN identifier AS sharer ON sharer.id = link.anchor
          WHERE own.component_id = opened.component_id AND own.person_id = opened.person
       ) AS touched
        WHERE sharer IS DISTINCT FROM opened.person ORDER BY entered_at, sharer NULLS LAST LIMIT 1
     ) AS first
     CROSS JOIN LATERAL (
       SELECT min(touch.entered_at) AS at
         FROM identifier AS own
         JOIN article_touch AS touch ON touch.article_id = opened.article_id AND touch.anchor = own.id
        WHERE own.component_id = first.component_id AND own.person_id = first.sharer
     ) AS above
     WHERE first.sharer IS NOT NULL AND (above.at, first.sharer) < (first.entered, opened.person)
"""

# The same of the links of those only of whom the relation *narrow* holds: by index where they are *few*.
_THEIR_OWN = """
    SELECT own.id FROM narrowed JOIN identifier AS canonical ON canonical.id = narrowed.person
      JOIN identifier AS own ON own.component_id = canonical.component_id AND own.person_id = canonical.id
"""
NARROWED = f"""
    WITH narrowed AS MATERIALIZED (SELECT person FROM {{narrow}} WHERE holds)
    SELECT * FROM ({BROUGHT_BY.format(anchors=_THEIR_OWN)}) AS by_index WHERE (SELECT count(*) FROM narrowed) <= {{few}}
    UNION ALL
    SELECT * FROM ({BROUGHT}) AS whole WHERE (SELECT count(*) FROM narrowed) > {{few}}
"""  # noqa: S608 - no value in it
