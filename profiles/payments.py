"""The orders of one person, read off his payments and refunds as `profiles.orders` reads everybody's. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from profiles.intent import Signal
from profiles.summary import PAID, REFUNDED


def orders(signals: Iterable[Signal], currency: str) -> Sequence[tuple[datetime, int]]:
    """Return when each order among *signals* was paid first, and what was paid less what was paid back, as `profiles.orders`."""
    told: dict[str, list[Signal]] = defaultdict(list)
    for each in signals:
        order = each.body.get("order") if each.type in (*PAID, REFUNDED) else None
        if order and order["currency"] == currency:
            told[order["id"]].append(each)
    found = []
    for own in told.values():
        paid = [each for each in own if each.type != REFUNDED]
        amount = sum(_amount(each) if each.type != REFUNDED else -_amount(each) for each in own)
        if paid and (len(paid) == len(own) or amount > 0):
            found.append((min(_paid_at(each) for each in paid), amount))
    return found


def _amount(signal: Signal) -> int:
    return int(signal.body["order"]["amount"])


def _paid_at(signal: Signal) -> datetime:
    claimed = signal.body.get("claimed_at") if signal.body["trust"] != "browser" else None
    return min(signal.occurred_at, datetime.fromisoformat(claimed)) if claimed else signal.occurred_at
