"""Amounts: exact, in minor units, or none."""

import pytest

from core.errors import InvalidEvent
from ingest.orders.money import minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("129.10", "CNY", 12910),
        ("0.29", "CNY", 29),
        ("1.10", "USD", 110),
        ("129", "CNY", 12900),
        ("12.3400", "EUR", 1234),
        ("-10.00", "CNY", -1000),
        ("1500", "JPY", 1500),
        ("1500.00", "KRW", 1500),
        ("1.234", "KWD", 1234),
        ("0.00", "CNY", 0),
        ("90071992547.93", "CNY", 9007199254793),
    ],
)
def test_an_amount_is_exact(amount: str, currency: str, units: int) -> None:
    assert minor_units(amount, currency, "/total") == units


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("12.345", "CNY"),
        ("1500.5", "JPY"),
        ("", "CNY"),
        ("free", "CNY"),
        ("NaN", "CNY"),
        ("Infinity", "CNY"),
        ("1e999999", "CNY"),
        ("9" * 40, "CNY"),
    ],
)
def test_what_is_no_amount_is_refused_and_not_rounded(amount: str, currency: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        minor_units(amount, currency, "/total")

    assert (caught.value.code, caught.value.pointer) == ("invalid_amount", "/total")
