"""Compact tokens: a number that cannot be guessed, in few characters.

A token is base62 of the number and the first bytes of an HMAC-SHA-256 over purpose and number: 14 characters for a number
of 48 bits with 32 bits of proof, which fits a text message, a mini-program's scene (32) and a WeCom state (30).
"""

import hmac
from dataclasses import dataclass

NUMBER_BYTES = 6
TOKEN_LENGTH_MAX = 32

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one *purpose* under *key*; a token of another purpose or key is none of these.

    *purpose* is bound into the proof; *number_bytes* and *proof_bytes* decide the length.
    """

    key: bytes
    purpose: bytes
    number_bytes: int = NUMBER_BYTES
    proof_bytes: int = 4

    def written(self, number: int, context: bytes = b"") -> str:
        """Return the token of *number*; *context* (an article, say) is proven with it and not told by it."""
        return _encoded(self._signed(number, context))

    def read(self, token: str, context: bytes = b"") -> int | None:
        """Return the number of *token*, `None` where it is forged, spelled otherwise, or of another context."""
        if not 0 < len(token) <= TOKEN_LENGTH_MAX or any(digit not in _VALUES for digit in token):
            return None
        value = 0
        for digit in token:
            value = value * 62 + _VALUES[digit]
        number = value >> (8 * self.proof_bytes)
        if number >> (8 * self.number_bytes):
            return None
        is_ours = hmac.compare_digest(self.written(number, context).encode(), token.encode())
        return number if is_ours else None

    def _signed(self, number: int, context: bytes) -> int:
        plain = number.to_bytes(self.number_bytes, "big")
        proof = hmac.digest(self.key, self.purpose + plain + context, "sha256")[: self.proof_bytes]
        return int.from_bytes(plain + proof, "big")


def _encoded(value: int) -> str:
    digits = []
    while value:
        value, digit = divmod(value, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"
