"""By what people are judged: the rules of intent, and what all buyers are, which is looked at anew now and then."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, Column, Connection, DateTime, Table, Text, text

from core.database import metadata
from profiles import intent, orders
from profiles.purchases import ZONE
from profiles.rfm import Fifths, fifths
from profiles.segments.conditions import Condition, Rfm, leaves
from profiles.segments.judging import Measure

REFRESHED = timedelta(hours=1)

fifths_table = Table(
    "fifths",
    metadata,
    Column("currency", Text, primary_key=True),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("recency", ARRAY(BigInteger), nullable=False),
    Column("frequency", ARRAY(BigInteger), nullable=False),
    Column("monetary", ARRAY(BigInteger), nullable=False),
)


def currencies(conditions: Iterable[Condition]) -> set[str]:
    """Return in which currencies *conditions* ask how buyers compare with all others."""
    return {leaf.currency for each in conditions for leaf in leaves(each) if isinstance(leaf, Rfm)}


def measure(connection: Connection, conditions: Iterable[Condition], rules: intent.Rules, now: datetime) -> Measure:
    """Return by what *conditions* are judged *now*; what buyers are is as it was last looked at, or is looked at now."""
    asked = currencies(conditions)
    known = {currency: kept for currency, (kept, _) in _kept(connection, asked).items()} if asked else {}
    return Measure(
        rules, now, {each: known[each] if each in known else _present(connection, each, now) for each in asked}
    )


def refresh(connection: Connection, asked: Collection[str], now: datetime) -> set[str]:
    """Look at the buyers in the currencies *asked* anew where that was long ago; return those in which they are others now."""
    known = _kept(connection, asked)
    changed = set()
    for currency in sorted(asked):
        before, as_of = known.get(currency, (None, None))
        if as_of is None or now - as_of >= REFRESHED:
            after = _present(connection, currency, now)
            _keep(connection, currency, after, now)
            changed |= {currency} if after != before else set()
    return changed


def _present(connection: Connection, currency: str, now: datetime) -> Fifths:
    return fifths(orders.purchases(connection, currency, now.astimezone(ZONE)))


def _kept(connection: Connection, asked: Collection[str]) -> Mapping[str, tuple[Fifths, datetime]]:
    rows = connection.execute(
        text("SELECT currency, as_of, recency, frequency, monetary FROM fifths WHERE currency = ANY(:asked)"),
        {"asked": sorted(asked)},
    )
    return {row.currency: (Fifths(row.recency, row.frequency, row.monetary), row.as_of) for row in rows}


def _keep(connection: Connection, currency: str, of: Fifths, now: datetime) -> None:
    connection.execute(
        text(
            "INSERT INTO fifths (currency, as_of, recency, frequency, monetary)"
            " VALUES (:currency, :now, :recency, :frequency, :monetary) ON CONFLICT (currency) DO UPDATE"
            " SET as_of = excluded.as_of, recency = excluded.recency, frequency = excluded.frequency,"
            "     monetary = excluded.monetary"
        ),
        {
            "currency": currency,
            "now": now,
            "recency": list(of.recency),
            "frequency": list(of.frequency),
            "monetary": list(of.monetary),
        },
    )
