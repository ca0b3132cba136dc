"""By what a mini-program was opened: WeChat's scene numbers. Pure; a number that is not here is kept as it is."""

from collections.abc import Mapping
from typing import TypeGuard

NUMBER_MAX = 1_000_000  # what is no less is no scene
SINGLE_PAGE = 1154  # a page seen from Moments without the mini-program: nobody can log in there

NAMES: Mapping[int, str] = {
    1001: "recent",
    1005: "search",
    1006: "search",
    1007: "friend",
    1008: "group",
    1011: "qr",
    1012: "qr_pressed",
    1013: "qr_album",
    1014: "subscription_message",
    1020: "account_profile",
    1035: "account_menu",
    1036: "app",
    1037: "mini_program",
    1038: "mini_program_back",
    1043: "template_message",
    1044: "group",
    1045: "moments_ad",
    1046: "moments_ad",
    1047: "code",
    1048: "code_pressed",
    1049: "code_album",
    1058: "account_article",
    1065: "url_scheme",
    1067: "article_ad",
    1089: "pulled_down",
    1107: "subscription_message",
    SINGLE_PAGE: "moments_single_page",
    1155: "moments",
    1177: "live_room",
}

_SHARED: Mapping[str, str] = {
    "friend": "friend",
    "group": "group",
    "moments_single_page": "moments",
    "moments": "moments",
}


def read(scene: object) -> Mapping[str, object]:
    """Return *scene*, and what it is called here, as properties; one that is not known has no name."""
    if not _is_number(scene):
        return {}
    return {"scene": scene, "opened_by": NAMES.get(scene)}


def shared_to(scene: object) -> str:
    """Return to whom a link was passed on that was opened by *scene*, as events have it."""
    return _SHARED.get(NAMES.get(scene, ""), "other") if _is_number(scene) else "other"


def _is_number(scene: object) -> TypeGuard[int]:
    return isinstance(scene, int) and not isinstance(scene, bool) and 0 < scene < NUMBER_MAX
