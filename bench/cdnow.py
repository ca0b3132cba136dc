"""Real purchases as events: 69,659 of 23,570 customers of CDNOW, 1997-01-01 to 1998-06-30.

`python -m bench.cdnow --master cdnow_master.txt [--sample CDNOW_sample.txt] [--out FILE]` writes each as an `order.paid` event. A
published sample of 2,357 customers is named by the first column of its file: no rule gives it, it is not every tenth id.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the master file: on *day* *customer* bought so many discs for so many *cents*."""

    customer: str
    day: date
    quantity: int
    cents: int


def rows(master: Path, only: frozenset[str] | None = None) -> Iterator[Row]:
    """Read the master file, or what it says of *only* those customers."""
    for line in master.read_text(encoding="ascii").splitlines():
        customer, day, quantity, dollars = line.split()
        if customer.isdecimal() and (only is None or customer in only):
            whole, _, cents = dollars.partition(".")
            yield Row(customer, date.fromisoformat(day), int(quantity), int(whole) * 100 + int(cents))


def customers(sample: Path) -> frozenset[str]:
    """Return the customers of the published sample."""
    return frozenset(line.split()[0] for line in sample.read_text(encoding="ascii").splitlines() if line.strip())


def events(of: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield each purchase as an event, at noon in UTC, so that its day is the same from there to +08:00."""
    for number, row in enumerate(of):
        yield {
            "id": f"cdnow-{number}",
            "type": "order.paid",
            "channel": "shop",
            "occurred_at": f"{row.day.isoformat()}T12:00:00Z",
            "identifiers": [f"user_id@cdnow:{row.customer}"],
            "order": {
                "id": f"cdnow-{number}",
                "amount": row.cents,
                "currency": "USD",
                "items": [{"sku": "disc", "quantity": row.quantity}],
            },
        }


def main() -> None:
    """Write the events as NDJSON, and on stderr how many there are."""
    parser = argparse.ArgumentParser(prog="python -m bench.cdnow", description=main.__doc__)
    parser.add_argument("--master", type=Path, required=True, help="cdnow_master.txt")
    parser.add_argument("--sample", type=Path, help="CDNOW_sample.txt: only its customers")
    parser.add_argument("--out", type=Path, help="a file; standard output without it")
    asked = parser.parse_args()
    bought = list(rows(asked.master, customers(asked.sample) if asked.sample else None))
    with asked.out.open("wb", 1 << 20) if asked.out else sys.stdout.buffer as out:
        for event in events(bought):
            out.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
    print(f"{len(bought):,} purchases of {len({row.customer for row in bought}):,} customers", file=sys.stderr)


if __name__ == "__main__":
    main()
