"""What WeChat and WeCom write, XML or JSON, as plain fields."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from xml.parsers.expat import ExpatError

import orjson
import xmltodict

from core.errors import InvalidEvent

Fields = Mapping[str, Any]

# Of these there may be one or many: always a list, so that one reads like many.
_LISTS = ("List", "item")
_SECONDS_DIGITS = 11


def fields(content: bytes) -> Fields:
    """Return the fields of *content*, texts without outer white space; names too, which some samples begin with a blank.

    Raises `InvalidEvent` for what is neither XML nor JSON in UTF-8, and for XML that declares entities.
    """
    try:
        written = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidEvent("invalid_encoding", "this is not UTF-8") from None
    root = _json(content) if written.lstrip().startswith("{") else _xml(written)
    try:
        return cast("Fields", _stripped(root))
    except RecursionError:
        raise InvalidEvent("too_deep", "this is nested too deep") from None


def text(of: Fields, name: str) -> str:
    """Return the field *name* as text, empty where there is none."""
    value = of.get(name)
    return "" if value is None or isinstance(value, dict | list) else str(value)


def created_at(seconds: str) -> str:
    """Return the time that *seconds* since 1970 tell, with its zone. Raises `InvalidEvent`."""
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > _SECONDS_DIGITS:
        raise InvalidEvent("invalid_time", "the time is in seconds since 1970", "/CreateTime")
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _json(content: bytes) -> Fields:
    try:
        return cast("Fields", orjson.loads(content))
    except orjson.JSONDecodeError:
        raise InvalidEvent("invalid_json", "this is not JSON") from None


def _xml(written: str) -> Fields:
    try:
        root = xmltodict.parse(written, force_list=_LISTS)
    except (ExpatError, ValueError):  # ValueError: it declares entities
        raise InvalidEvent("invalid_xml", "this is not XML without entities") from None
    within = root.get("xml")
    if not isinstance(within, dict):
        raise InvalidEvent("invalid_xml", "the outermost element is `xml`")
    return within


def _stripped(value: Any) -> Any:
    match value:
        case dict():
            return {str(name).strip(): _stripped(part) for name, part in value.items()}
        case list():
            return [_stripped(part) for part in value]
        case str():
            return value.strip()
    return value
