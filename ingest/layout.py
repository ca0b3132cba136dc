"""Columns of a CSV file, and which field of an event each of them is.

A column is named like the field: `type`, `channel`, `occurred_at`, `id`, `source`, `strength`, or with a dot
`article.id`, `order.amount`, `properties.anything`, `context.anything`; or like an identifier: `phone`,
`wechat_openid@wx8a1`. Where a file has other names, a mapping says what they mean. It is a TOML or JSON file:

    zone = "+08:00"            # of times that name none

    [constants]                # for every event that does not say otherwise
    type = "identify"
    channel = "import"

    [columns]                  # columns that are not listed are left out
    "手机号" = "phone"
    "注册时间" = "occurred_at"
    "实付" = "order.amount"

    [units]                    # 129.00 is 12900 fen
    "order.amount" = "yuan"

    [consent]                  # of a column with yes or no, an event of its own
    "同意短信" = { channel = "sms", purpose = "marketing" }

An empty cell says nothing. In `properties` and `context` a cell that reads like a JSON number, `true` or `false` is
one; `article.topics` are parted by `|`. The items of an order cannot be told in CSV.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.errors import InvalidEvent, InvalidSetting
from core.event import Article, Campaign, Company, Order, Share, Word
from core.identifier import clean_scope

Document = dict[str, Any]
Put = Callable[[Document, str], None]

_PLAIN = frozenset({"type", "channel", "occurred_at", "id", "source", "strength"})
_GROUPS = {
    name: frozenset(field.name for field in fields(group)) - {"items"}
    for name, group in (
        ("article", Article),
        ("share", Share),
        ("campaign", Campaign),
        ("order", Order),
        ("company", Company),
    )
}
_PARTS = frozenset({"columns", "consent", "constants", "units", "zone"})
_YES = frozenset({"1", "true", "yes", "y", "是", "同意"})
_NO = frozenset({"0", "false", "no", "n", "否", "不同意"})
_FREE = frozenset({"properties", "context"})

_ZONE = re.compile(r"Z|[+-]\d\d:\d\d")
_ZONED = re.compile(r"(?:Z|[+-]\d\d:?\d\d)\s*\Z", re.IGNORECASE)
_YUAN = re.compile(r"[¥￥]?\s*(-?)([0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.([0-9]{1,2})0*)?\s*元?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True)
class Consent:
    """For what a column says that somebody may be addressed, and by what channel."""

    channel: Word
    purpose: Word
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file does not say itself: the fields of its *columns* (`None`: they are named like them), *constants* for
    every event that has no such field, the *zone* (`+08:00`) of times that name none, and in which *units* amounts stand
    that are not minor ones already, by field. *consents* are the columns that say yes or no.
    """

    columns: Mapping[str, str] | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    consents: Mapping[str, Consent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.units.values()) - {"yuan"}:
            raise InvalidSetting("the only unit of a mapping is yuan; without one an amount is in fen")
        if self.zone and not _ZONE.fullmatch(self.zone):
            raise InvalidSetting("the zone of a mapping is written like +08:00")


def read_layout(path: Path) -> Layout:
    """Read a mapping file, JSON or TOML by its name. Raises `InvalidSetting` where it is not one."""
    return layout_of(written_in(path), path.name)


def written_in(path: Path) -> object:
    """Return what a mapping file says, not yet checked. Raises `InvalidSetting` where it is neither JSON nor TOML."""
    try:
        content = path.read_bytes()
        return orjson.loads(content) if path.suffix == ".json" else tomllib.loads(content.decode())
    except ValueError as error:
        raise InvalidSetting(f"the mapping {path.name} cannot be read: {error}") from None


def layout_of(written: object, name: str) -> Layout:
    """Return the layout that the mapping called *name* writes. Raises `InvalidSetting` where it is none."""
    if not isinstance(written, dict) or written.keys() - _PARTS:
        raise InvalidSetting(f"the mapping {name} has {', '.join(sorted(_PARTS))}, and nothing else")
    for part in ("columns", "constants", "units"):
        texts = written.get(part, {})
        if not isinstance(texts, dict) or not all(isinstance(value, str) for value in texts.values()):
            raise InvalidSetting(f"the {part} of the mapping {name} are names with a text each")
    try:
        consents = _CONSENTS.validate_python(written.get("consent", {}))
    except ValidationError:
        raise InvalidSetting(f"the consent of the mapping {name} has a channel and a purpose for each column") from None
    zone = str(written.get("zone", ""))
    return Layout(written.get("columns"), written.get("constants", {}), zone, written.get("units", {}), consents)


class Columns:
    """The header of one file, understood: makes of each row what a sender would have written.

    Raises `InvalidEvent` for a column that is no field and no identifier of *namespaces*, and for one that is missing.
    """

    def __init__(self, header: Sequence[str], layout: Layout, namespaces: Mapping[str, object]) -> None:
        names = [name.strip() for name in header]
        listed = {name: name for name in names} if layout.columns is None else layout.columns
        if missing := [name for name in (*listed, *layout.consents) if name not in names]:
            raise InvalidEvent("missing_column", f"there is no column {missing[0]!r}")
        self._width = len(names)
        self._puts = [
            (at, _converted(listed[name], layout, _put(listed[name], namespaces)))
            for at, name in enumerate(names)
            if name in listed
        ]
        self._consents = [(names.index(name), consent) for name, consent in layout.consents.items()]
        self._constants = [(_put(name, namespaces), text) for name, text in layout.constants.items()]
        self._zone = layout.zone

    def documents(self, row: Sequence[str], evidence: Document) -> Sequence[Document]:
        """Return the event that *row* tells, and one for each consent that is given or refused there, with the *evidence*."""
        document = self.document(row)
        asked = [(_agreed(row[at].strip()), consent) for at, consent in self._consents if row[at].strip()]
        return [document, *(_consenting(document, is_given, consent, evidence) for is_given, consent in asked)]

    def document(self, row: Sequence[str]) -> Document:
        """Return the event that *row* tells."""
        if len(row) != self._width:
            raise InvalidEvent("wrong_number_of_cells", f"the header has {self._width} cells, this row has {len(row)}")
        document: Document = {}
        for put, text in self._constants:
            put(document, text)
        for at, put in self._puts:
            if cell := row[at].strip():
                put(document, cell)
        return zoned(document, self._zone)


def _agreed(cell: str) -> bool:
    answer = cell.casefold()
    if answer not in _YES | _NO:
        raise InvalidEvent("invalid_consent", "a consent is yes or no", "/properties/consent")
    return answer in _YES


def _consenting(document: Document, is_given: bool, consent: Consent, evidence: Document) -> Document:
    kept: Document = {
        name: document[name]
        for name in ("channel", "occurred_at", "source", "strength", "identifiers")
        if name in document
    }
    said = {"channel": consent.channel, "purpose": consent.purpose, "evidence": evidence}
    return {**kept, "type": "consent.given" if is_given else "consent.withdrawn", "properties": said}


def constants(layout: Layout, namespaces: Mapping[str, object]) -> Document:
    """Return the constants of *layout* as the beginning of an event."""
    document: Document = {}
    for name, text in layout.constants.items():
        _put(name, namespaces)(document, text)
    return document


def zoned(document: Document, zone: str) -> Document:
    """Give the time of *document* the *zone* when it names none."""
    occurred_at = document.get("occurred_at")
    if zone and isinstance(occurred_at, str) and not _ZONED.search(occurred_at):
        document["occurred_at"] = occurred_at + zone
    return document


def _put(name: str, namespaces: Mapping[str, object]) -> Put:
    """Return what puts a cell where *name* says."""
    group, _, part = name.partition(".")
    namespace, _, scope = name.partition("@")
    if name in _PLAIN:
        return partial(_put_plain, name)
    if name == "article.topics":
        return _put_topics
    if part in _GROUPS.get(group, ()):
        return partial(_put_part, group, part)
    if group in _FREE and part:
        return partial(_put_free, group, part)
    if namespace in namespaces:
        return partial(_put_identifier, {"namespace": namespace, "scope": clean_scope(scope)})
    raise InvalidEvent("unknown_column", f"{name!r} is neither a field of an event nor an identifier")


def _converted(name: str, layout: Layout, put: Put) -> Put:
    return partial(_put_fen, put, name) if name in layout.units else put


def _put_fen(put: Put, name: str, document: Document, cell: str) -> None:
    amount = _YUAN.fullmatch(cell)
    if amount is None:
        raise InvalidEvent("invalid_amount", "an amount in yuan has at most two decimals", f"/{name.replace('.', '/')}")
    sign, whole, cents = amount.groups("")
    put(document, f"{sign}{int(whole.replace(',', '') + cents.ljust(2, '0'))}")


def _put_plain(name: str, document: Document, cell: str) -> None:
    document[name] = cell


def _put_part(group: str, part: str, document: Document, cell: str) -> None:
    document.setdefault(group, {})[part] = cell


def _put_topics(document: Document, cell: str) -> None:
    document.setdefault("article", {})["topics"] = [topic.strip() for topic in cell.split("|") if topic.strip()]


def _put_free(group: str, part: str, document: Document, cell: str) -> None:
    is_json = cell in {"true", "false"} or _NUMBER.fullmatch(cell)
    document.setdefault(group, {})[part] = orjson.loads(cell) if is_json else cell


def _put_identifier(slot: Document, document: Document, cell: str) -> None:
    document.setdefault("identifiers", []).append({**slot, "value": cell})


_CONSENTS: TypeAdapter[Mapping[str, Consent]] = TypeAdapter(Mapping[str, Consent])
