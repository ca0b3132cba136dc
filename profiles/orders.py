"""Orders as they stand in touchpoints, read as purchases: one statement, and a row for each person and day.

An order is what one person paid under one order id in one currency: at its first payment, for all that was paid less all that was
paid back before the moment as of which it is looked. One that was paid back in full is none. Whose it is, is asked when reading,
as for every touchpoint.
"""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from core.database import copied
from core.errors import InvalidEvent
from profiles.purchases import HALVES, LeftOut, Purchases, number_of
from profiles.summary import PAID, REFUNDED

PURCHASES_MAX = 5_000_000

# A row of PostgreSQL's binary COPY: how many columns, and each with its length before it. None is ever NULL.
_ROW = np.dtype(
    [("columns", ">i2"), ("p", ">i4"), ("person", "V16"), ("d", ">i4"), ("day", ">i4"), ("a", ">i4"), ("amount", ">i8")]
)


def purchases(connection: Connection, currency: str, as_of: datetime) -> Purchases:
    """Return all that people bought in *currency* before *as_of*, whose zone says where days end.

    Raises `InvalidEvent` where there are more than `PURCHASES_MAX`.
    """
    asked = {"currency": currency, "as_of": as_of, "zone": as_of.utcoffset(), "most": PURCHASES_MAX + 1}
    rows = np.frombuffer(copied(connection, _PURCHASES, asked), _ROW)
    if len(rows) > PURCHASES_MAX:
        raise InvalidEvent("too_many_purchases", f"more than {PURCHASES_MAX:,} purchases are too many to look at")
    ids = rows["person"].view(HALVES)
    is_first = np.append([True], ids[1:] != ids[:-1])[: len(ids)]
    return Purchases(
        people=ids[is_first],
        person=np.cumsum(is_first) - 1,
        day=rows["day"].astype(np.int64),
        amount=rows["amount"].astype(np.int64),
        today=number_of((as_of - timedelta(microseconds=1)).date()),
        left_out=_left_out(connection, asked),
    )


def _left_out(connection: Connection, asked: dict[str, Any]) -> LeftOut:
    row = connection.execute(text(_LEFT_OUT), asked).one()
    return LeftOut(row.robots, row.nobody)


# When an order was paid is what the channel said, though it is older than events may be (an import of former years); not what a
# browser says, and not what lies in the future.
PAID_AT = """
    least(occurred_at, CASE WHEN body ->> 'trust' <> 'browser' THEN CAST(body ->> 'claimed_at' AS timestamptz) END)
"""
_PAID = ", ".join(f"'{name}'" for name in PAID)

# Materialised, so that an event is read into its fields once, and only where it is asked for.
_PURCHASES = f"""
    WITH money AS MATERIALIZED (
      SELECT owner.person_id, body #>> '{{order,id}}' AS order_id, {PAID_AT} AS at, type <> '{REFUNDED}' AS is_paid,
             CAST(body #>> '{{order,amount}}' AS bigint) AS amount
        FROM touchpoint JOIN identifier AS owner ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3)
       WHERE type IN ({_PAID}, '{REFUNDED}') AND NOT void AND verdict IS NULL
         AND body #>> '{{order,currency}}' = %(currency)s
    ), paid AS (
      SELECT person_id, min(at) FILTER (WHERE is_paid) AS at, sum(CASE WHEN is_paid THEN amount ELSE -amount END) AS amount
        FROM money WHERE at < %(as_of)s GROUP BY person_id, order_id
      HAVING bool_or(is_paid) AND (bool_and(is_paid) OR sum(CASE WHEN is_paid THEN amount ELSE -amount END) > 0)
    )
    SELECT person_id, CAST(at AT TIME ZONE CAST(%(zone)s AS interval) AS date) - DATE '1970-01-01' AS day,
           CAST(sum(amount) AS bigint)
      FROM paid GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %(most)s
"""  # noqa: S608 - no value in it

_LEFT_OUT = f"""
    WITH left_out AS MATERIALIZED (
      SELECT verdict, occurred_at, body FROM touchpoint
       WHERE type IN ({_PAID}) AND NOT void
         AND (verdict IS NOT NULL
              OR NOT EXISTS (SELECT FROM identifier WHERE identifier.id = touchpoint.anchor AND standing IN (0, 3)))
    )
    SELECT count(*) FILTER (WHERE verdict IS NOT NULL) AS robots, count(*) FILTER (WHERE verdict IS NULL) AS nobody
      FROM left_out WHERE body #>> '{{order,currency}}' = :currency AND {PAID_AT} < :as_of
"""  # noqa: S608 - no value in it
