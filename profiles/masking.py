"""What a reader sees who may not see who it is: enough to tell two people apart, and no more. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from core.identifier import Identifier

HIDDEN = "***"
DIGITS_MAX = 9  # a longer number may be a telephone's

# Words of our own making or from a short list; any other text in an event may be somebody's.
_TELLING_NOBODY = frozenset(
    {"channel", "event", "medium", "provider", "purpose", "reason", "result", "scene", "stage", "status"}
)


def identifier(named: Identifier) -> str:
    """Return *named* as text, mostly hidden: `phone:+86139****5678`, `email:j***@example.com`."""
    return f"{named.slot}:{value(named.namespace, named.value)}"


def value(namespace: str, clear: str) -> str:
    """Return *clear* with its greater part hidden; one too short to hide a part of is hidden whole."""
    match namespace:
        case "phone" if len(clear) > 9:
            return f"{clear[:-8]}****{clear[-4:]}"
        case "email" if clear.rfind("@") > 0:
            local, _, domain = clear.rpartition("@")
            return f"{local[:1] if len(local) > 1 else ''}{HIDDEN}@{domain}"
        case _ if len(clear) >= 8:
            return f"{clear[:2]}{HIDDEN}{clear[-2:]}"
        case _:
            return HIDDEN


def name(clear: str) -> str:
    """Return a person's name with all but its first character hidden."""
    return f"{clear[:1]}{HIDDEN}"


def event(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event, as it stands in the log, without what says who it was or where he sat."""
    shown = {**body, "context": {}}
    shown["identifiers"] = [
        {**mention, "value": value(mention["namespace"], mention["value"])} for mention in body.get("identifiers", ())
    ]
    shown["properties"] = {name: hidden(name, said) for name, said in body.get("properties", {}).items()}
    return shown


def traits(clear: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return *clear* with the values hidden: that something is known may be seen, what it is may not."""
    return dict.fromkeys(clear, HIDDEN)


def hidden(name: str, said: JsonValue) -> JsonValue:
    """Return what is *said* in the property called *name*, or in its place that it is hidden."""
    match said:
        case bool() | None:
            return said
        case int() | float():
            return said if abs(said) < 10**DIGITS_MAX else HIDDEN
        case str() if name in _TELLING_NOBODY:
            return said
        case _:
            return HIDDEN
