"""What a reply by text wants: to hear no more, to hear again, or something else.

Pure, and the same for all providers. In doubt somebody is to look: an opt-out that is overlooked breaks the law, one that
is made up loses a reader.
"""

import re
import unicodedata
from enum import StrEnum


class Wish(StrEnum):
    """What a reply asks for; `unclear` says that a word of opting out stands in it, among others."""

    OUT = "out"
    IN = "in"
    UNCLEAR = "unclear"
    NONE = "none"


# What operators in China have people reply, and what they write of themselves; then what Twilio and carriers abroad take.
_CODES = "r|t|td|n"
_WORDS = (
    "退订|退訂|取消订阅|取消訂閱|取消|拒收|拒绝接收|不再接收|停止发送|"
    "stop|stopall|stop all|unsubscribe|optout|opt-out|opt out|cancel|end|quit|revoke|arret|arrêt|arrett|arrete"
)
_REPLY = "回复|回覆|回"  # the text says "拒收请回复R", and some do so to the letter

_OUT = re.compile(rf"(?:{_REPLY})?\s*(?:(?:{_CODES})|(?:{_CODES})?\s*(?:{_WORDS}))")
_HINT = re.compile(rf"(?<![a-z0-9'’])(?:{_CODES}|{_WORDS})(?![a-z0-9'’])|退订|退訂|拒收|取消")
_IN = frozenset({"start", "unstop"})


def wish(text: str) -> Wish:
    """Return what the reply *text* wants. Width, case, and white space and punctuation around it do not matter."""
    said = _bare(text)
    if _OUT.fullmatch(said):
        return Wish.OUT
    if said in _IN:
        return Wish.IN
    return Wish.UNCLEAR if _HINT.search(said) else Wish.NONE


def _bare(text: str) -> str:
    visible = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in ("Cf", "Cc"))
    said = visible.casefold()
    start, end = 0, len(said)
    while start < end and _is_around(said[start]):
        start += 1
    while end > start and _is_around(said[end - 1]):
        end -= 1
    return said[start:end]


def _is_around(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "PS"
