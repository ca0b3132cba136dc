"""What the address of a landing page says of the ad by which somebody came: the campaign, and the ids of the click.

A click id attributes and never merges: whoever passes the address on passes the click on. So all of them are hints.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

KEY_LENGTH_MAX = 256
TEXT_LENGTH_MAX = 1_024

# The parameters that ad platforms append, as they write them, and in which scope their ids are valid. What Google writes on
# iOS stands for several clicks and is sent back under its own name, so it has a scope of its own.
CLICK_IDS: Mapping[str, str] = {
    "gdt_vid": "tencent",
    "qz_gdt": "tencent",
    "clickid": "ocean_engine",
    "bd_vid": "baidu",
    "mark_id": "weibo",
    "qhclickid": "qihoo",
    "gclid": "google",
    "wbraid": "google_wbraid",
    "gbraid": "google_gbraid",
    "fbclid": "meta",
}

_CAMPAIGN = {
    "utm_id": ("id", KEY_LENGTH_MAX),
    "utm_source": ("source", TEXT_LENGTH_MAX),
    "utm_medium": ("medium", TEXT_LENGTH_MAX),
    "utm_campaign": ("name", TEXT_LENGTH_MAX),
}
_MACRO = re.compile(r"__.+__|\$?\{.+\}|%.+%", re.DOTALL)


def campaign(url: str) -> dict[str, str]:
    """Return the `campaign` of an event on the page *url*, empty where the address names none.

    What an event could not hold is left out, so that no address makes an event unacceptable.
    """
    given = _given(url)
    return {
        field: given[name]
        for name, (field, length_max) in _CAMPAIGN.items()
        if name in given and len(given[name]) <= length_max
    }


def hints(url: str) -> list[dict[str, Any]]:
    """Return the ids of the click that led to the page *url*, as identifiers of an event (`click_id` in role `hint`)."""
    given = _given(url)
    found = {(scope, given[name]) for name, scope in CLICK_IDS.items() if name in given}
    return [{"namespace": "click_id", "scope": scope, "value": value, "role": "hint"} for scope, value in sorted(found)]


def is_unreplaced(value: str) -> bool:
    """Whether *value* is the name of a macro that an ad platform should have replaced: `__X__`, `{{X}}`, `${X}`, `%X%`."""
    return _MACRO.fullmatch(value.strip()) is not None


def _given(url: str) -> dict[str, str]:
    """The parameters of *url*, the first of each name; a page that routes by its fragment has a query there, too."""
    address, _, fragment = url.partition("#")
    written = [pair for part in (address, fragment) for pair in parse_qsl(part.partition("?")[2])]
    return {name: value for name, value in reversed(written) if "\0" not in value and not is_unreplaced(value)}
