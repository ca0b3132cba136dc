"""What shops tell of orders, as events: each state of an order is an event of its own, with an id of its own.

An order may come twice, and its states in any order; whoever tells the same state again tells the same event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.callback import Document
from ingest.proof import made_of, said, text

ITEMS_SHOWN_MAX = 200
SKU_LENGTH_MAX = 256
QUANTITY_DIGITS_MAX = 12


@dataclass(frozen=True, slots=True)
class Told:
    """What a shop tells of one order, whatever its state.

    *identifiers* are those of the buyer, as he declared them, and of others whom the order names in their own roles.
    """

    platform: str
    order_id: str
    currency: str
    identifiers: Sequence[Document]
    items: Sequence[Document] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    campaign: Mapping[str, str] = field(default_factory=dict)

    def event(self, kind: str, at: str, amount: int, state: str = "", **properties: Any) -> Document:
        """Return that the order came into *state* (what *kind* says, where it says it all) at the time *at*."""
        named = {"event": state} if kind == "track" else {}
        document = event(
            made_of(self.platform, self.order_id, kind, state),
            kind,
            at,
            self.identifiers,
            {**self.properties, **properties, **named},
        )
        order = {"id": self.order_id, "amount": amount, "currency": self.currency, "items": self.items}
        return document | {"order": order, "context": said(self.context), "campaign": self.campaign}


def event(
    event_id: str, kind: str, at: str, identifiers: Sequence[Document] = (), properties: Mapping[str, Any] | None = None
) -> Document:
    """Return one event of a shop; without a time that can be read it is refused at the door."""
    return {
        "id": event_id,
        "type": kind,
        "channel": "orders",
        "identifiers": list(identifiers),
        "strength": "declared",
        "properties": said(properties or {}),
    } | ({"occurred_at": at} if at else {})


def named(value: str, namespace: str, role: str = "subject", scope: str = "") -> list[Document]:
    """Return the identifier that *value* is, if any."""
    return [{"namespace": namespace, "scope": scope, "value": value, "role": role}] if value else []


def items(listed: Sequence[Mapping[str, Any]], quantity: str, *skus: str) -> list[Document]:
    """Return the lines of an order: what was bought is the first of *skus* that a line has."""
    named_lines = ((_sku(line, skus), line) for line in listed[:ITEMS_SHOWN_MAX])
    return [{"sku": sku[:SKU_LENGTH_MAX], "quantity": _count(line.get(quantity))} for sku, line in named_lines if sku]


def _sku(line: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of *names* that names something; a variation that there is none of is written 0."""
    return next((sku for name in names if (sku := text(line, name)) not in {"", "0"}), "")


def _count(value: object) -> int:
    match value:
        case int():
            return int(value)
        case str() if value.isdecimal() and len(value) <= QUANTITY_DIGITS_MAX:
            return int(value)
    return 1
