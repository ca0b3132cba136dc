"""Amounts as shops write them (`"129.00"`), exactly, in whole minor units (fen)."""

import re
from decimal import Decimal

from core.errors import InvalidEvent

# Within the 28 digits in which decimals are exact.
_AMOUNT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,10})?")

# ISO 4217: how many digits the minor unit of a currency has, where not two.
_DIGITS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND"], 0),
    **dict.fromkeys(["VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}


def minor_units(amount: str, currency: str, pointer: str) -> int:
    """Return *amount* in minor units of *currency*. Nothing is rounded: raises `InvalidEvent` where it does not come out even."""
    if not _AMOUNT.fullmatch(amount):
        raise InvalidEvent("invalid_amount", "an amount is a decimal number", pointer)
    units = Decimal(amount).scaleb(_DIGITS.get(currency, 2))
    whole = int(units)
    if whole != units:
        raise InvalidEvent("invalid_amount", "an amount is a whole number of minor units of its currency", pointer)
    return whole
