"""Amounts as shops write them (`"129.00"`), exactly, in whole minor units (fen)."""

from decimal import Decimal, InvalidOperation

from core.errors import InvalidEvent

AMOUNT_LENGTH_MAX = 32

# ISO 4217: how many digits the minor unit of a currency has, where not two.
_DIGITS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND"], 0),
    **dict.fromkeys(["VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}


def minor_units(amount: str, currency: str, pointer: str) -> int:
    """Return *amount* in minor units of *currency*. Nothing is rounded: raises `InvalidEvent` where it does not come out even."""
    try:
        units = Decimal(amount if len(amount) <= AMOUNT_LENGTH_MAX else "").scaleb(_DIGITS.get(currency, 2))
        whole = int(units)
    except (InvalidOperation, ValueError, OverflowError):
        raise InvalidEvent("invalid_amount", "an amount is a decimal number", pointer) from None
    if whole != units:
        raise InvalidEvent("invalid_amount", "an amount is a whole number of minor units of its currency", pointer)
    return whole
