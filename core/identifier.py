"""Identifiers: one name of a person, in normal form.

In text an identifier is `namespace[@scope]:value`, for instance `phone:+8613912345678` or `wechat_openid@wx8a1:oXY…`.
Two identifiers are the same exactly when their texts are, so everything that could be written in two ways is cleaned
here, and everything that would be shared by strangers is dropped here.
"""

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NewType

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from core.errors import InvalidEvent

# The blind index of an identifier: a UUID, as text. Also the id of the person whose canonical identifier it is.
IdentifierId = NewType("IdentifierId", str)
PersonId = NewType("PersonId", IdentifierId)

VALUE_LENGTH_MAX = 1_024
SCOPE_LENGTH_MAX = 128
REGION = "CN"


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """One name of a person: *value* is in normal form and valid within *scope* (empty: everywhere)."""

    namespace: str
    scope: str
    value: str

    @property
    def text(self) -> str:
        """`namespace[@scope]:value`, the form in which identifiers are compared, stored and shown."""
        return f"{self.slot}:{self.value}"

    @property
    def slot(self) -> str:
        """`namespace[@scope]`: where a person may hold so and so many values."""
        return f"{self.namespace}@{self.scope}" if self.scope else self.namespace


@dataclass(frozen=True, slots=True)
class Namespace:
    """What is known of a kind of identifier; the numbers are data (`stitcher/rules.toml`).

    *rank* orders namespaces from the best (1). *exclusivity* says when two values of one scope may share a person:
    `unique` never, `guarded` by a proven link, `owned` up to *limit_max*.
    """

    rank: int
    kind: Literal["strong", "weak", "hint"]
    exclusivity: Literal["unique", "guarded", "owned"] = "owned"
    limit_max: int | None = None
    reassignable: bool = False


class Drop(StrEnum):
    """Why an identifier was dropped from an event that was kept."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    NULL_LIKE = "null_like"
    ZEROS = "zeros"
    SHARED = "shared_value"
    HASHED = "hash_of_nothing"
    MACRO = "unreplaced_macro"
    INVALID = "invalid"
    VIRTUAL = "virtual_number"
    SNAPSHOT = "snapshot_page"
    FROM_URL = "named_by_url"
    BOT = "bot"  # given no more (a robot's identifiers stay, so that the verdict can change); recorded events have it
    UNDECLARED = "undeclared"


class BlindIndex:
    """Gives every identifier its id: an HMAC under the installation's key, so that ids tell nothing without the key."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def __call__(self, identifier: Identifier) -> IdentifierId:
        """Return `p(i)`: the first 128 bits of HMAC-SHA-256 over the text, as a version 8 UUID (RFC 9562, §5.8)."""
        keyed = (
            self._keyed.copy()
        )  # `hmac.digest` would let another thread run meanwhile, for longer than it takes itself
        keyed.update(identifier.text.encode())
        return IdentifierId(uuid8(keyed.digest()))


def uuid8(digest: bytes) -> str:
    """Return the first 128 bits of *digest* as the text of a version 8 UUID."""
    h = digest[:16].hex()
    return f"{h[:8]}-{h[8:12]}-8{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:]}"


def parse(written: str) -> Identifier:
    """Read `namespace[@scope]:value`, clean the value, and return the identifier.

    Raises `InvalidEvent` when it is not written so, or when its value would be dropped.
    """
    namespace, scope, value = split(written)
    cleaned = clean(namespace, value)
    if isinstance(cleaned, Drop):
        raise InvalidEvent("unusable_identifier", f"the value of this {namespace} names nobody ({cleaned})")
    return Identifier(namespace, clean_scope(scope), cleaned)


def split(written: str) -> tuple[str, str, str]:
    """Return namespace, scope and value of `namespace[@scope]:value`, none of them cleaned."""
    slot, colon, value = written.partition(":")
    namespace, _, scope = slot.partition("@")
    if not colon or not _NAMESPACE.fullmatch(namespace):
        raise InvalidEvent("invalid_identifier", "an identifier is written namespace[@scope]:value")
    return namespace, scope, value


def clean_scope(scope: str) -> str:
    """Return *scope* without format characters and outer white space; raise `InvalidEvent` where it cannot be one."""
    scope = bare(scope)
    if len(scope) > SCOPE_LENGTH_MAX or ":" in scope or _UNSTORABLE.search(scope):
        raise InvalidEvent("invalid_scope", f"a scope has at most {SCOPE_LENGTH_MAX} characters and no colon")
    return scope


def clean(namespace: str, value: str) -> str | Drop:
    """Return *value* in the normal form of *namespace*, or why it is of no use.

    What is refused here is what trackers send for nobody in particular, by which strangers would become one person.
    """
    return _cleaned(namespace, value) if len(value) <= VALUE_LENGTH_MAX else Drop.TOO_LONG


@lru_cache(maxsize=65_536)
def _cleaned(namespace: str, value: str) -> str | Drop:
    value = bare(value)
    reason = _useless(value)
    if reason is not None:
        return reason
    match namespace:
        case "phone":
            return _phone(value)
        case "email":
            return _email(value)
        case "device_id":
            return _device(value)
        case _:
            return value


def bare(value: str) -> str:
    """Return *value* as everything written is compared: without format characters and outer white space, in NFKC."""
    visible = "".join(c for c in value if unicodedata.category(c) != "Cf") if not value.isascii() else value
    return unicodedata.normalize("NFKC", visible).strip()


def _useless(value: str) -> Drop | None:
    if not value:
        return Drop.EMPTY
    if len(value) > VALUE_LENGTH_MAX:  # normalising can lengthen
        return Drop.TOO_LONG
    if _UNSTORABLE.search(value):
        return Drop.INVALID
    if _ZEROS.fullmatch(value):
        return Drop.ZEROS
    folded = value.casefold()
    if folded.strip("\"'`“”‘’").strip() in _NULL_LIKE:
        return Drop.NULL_LIKE
    if folded in _SHARED:
        return Drop.SHARED
    if folded in _HASHES_OF_NOTHING:
        return Drop.HASHED
    if _MACRO.fullmatch(value):
        return Drop.MACRO
    return None


def _phone(value: str) -> str | Drop:
    try:
        number = phonenumbers.parse(value, REGION)
    except phonenumbers.NumberParseException:
        return Drop.INVALID
    if number.extension:
        return Drop.VIRTUAL
    national = str(number.national_number)
    if national in _SHARED or _is_patterned(national):
        return Drop.SHARED
    if "*" in value or not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        return Drop.INVALID
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(value: str) -> str | Drop:
    try:
        address = validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return Drop.INVALID
    return f"{address.local_part}@{address.ascii_domain}".lower()


def _device(value: str) -> str | Drop:
    if _is_patterned(value):
        return Drop.SHARED
    return value.lower() if _HEX_HASH.fullmatch(value) else value


def _is_patterned(digits: str) -> bool:
    """A run (`1111111`) or a staircase (`1234567890`) of at least eight digits, which nobody was ever given."""
    if len(digits) < 8 or not digits.isdecimal():
        return False
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(digits)}
    return len(steps) == 1 and steps <= {0, 1, 9}


# A number of a company, or one whose charge is shared, would make one person of all who stand behind it.
_MOBILE = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL has no NUL, and UTF-8 no half of a pair
_ZEROS = re.compile(r"[0-]*")
_HEX_HASH = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")
_MACRO = re.compile(r"__.+__|\{.+\}|\$\{.+\}|%%.+%%", re.DOTALL)

_NULL_LIKE = frozenset(
    [
        "null",
        "none",
        "nil",
        "nan",
        "undefined",
        "n/a",
        "na",
        "unknown",
        "invalid",
        "anonymous",
        "guest",
        "test",
        "true",
        "false",
        "id",
        "email",
        "distinct_id",
        "not_authenticated",
        "-1",
    ]
) | {"[object object]", ""}

# Handed out to whole series of devices, or printed in every form's example.
_SHARED = frozenset({"9774d56d682e549c", "13800138000", "02:00:00:00:00:00", "020000000000", "00:00:00:00:00:00"})

_ZERO_VALUES = frozenset("0" * length for length in range(1, 41)) | {"00000000-0000-0000-0000-000000000000"}
# Runs and staircases as long as phone numbers and ids of devices are.
_PATTERNED_VALUES = frozenset(
    "".join(str((first + step * place) % 10) for place in range(length))
    for length in range(8, 17)
    for first in range(10)
    for step in (0, 1, -1)
)


def _hashes(values: frozenset[str]) -> frozenset[str]:
    written = {form for value in values for form in (value, value.upper(), value.capitalize())}
    return frozenset(
        hashlib.new(name, form.encode(), usedforsecurity=False).hexdigest()
        for form in written
        for name in ("md5", "sha1", "sha256")
    )


_HASHES_OF_NOTHING = _hashes(_NULL_LIKE | _SHARED | _ZERO_VALUES | _PATTERNED_VALUES)
