"""What is done to every collector, how one is spoken to, and what is right when it is attacked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

OVERHEARD = timedelta(hours=26)
"""After so long a request is sent again by somebody who overheard it: longer than any platform tries by itself."""

BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 10) for name in b"bcdefghij")
    + b"]><xml><Encrypt>&j;</Encrypt><MsgType>&j;</MsgType></xml>"
)
DEEP = b'{"Message":' + b"[" * 1_000 + b"]" * 1_000 + b"}"
GBK = '{"MsgType":"春季","type":"春季"}'.encode("gbk")


class Attack(StrEnum):
    """What is done to every collector."""

    FORGED = "forged signature"
    REPLAYED = "replay"
    XML_BOMB = "XML bomb"
    GZIP_BOMB = "gzip bomb"
    LARGE = "2 MiB body"
    DEEP = "nested too deep"
    CHARSET = "wrong charset"
    UNKNOWN = "unknown event"
    TWICE = "duplicate delivery"
    LOG_DOWN = "log down"


@dataclass(frozen=True, slots=True)
class Right:
    """The right answer to an attack, the events that the log then has by it, and why something is in quarantine."""

    status: int
    kinds: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


Moot = str
"""Why an attack cannot be tried on a collector."""

Rights = Mapping[Attack, Right | Moot]

SPOILED = (Attack.XML_BOMB, Attack.CHARSET, Attack.DEEP)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Collector:
    """How one collector is spoken to.

    *known* tells something that happened, *unknown* something that nobody has a word for; *says* has a body told with all
    that proves the sender, or as near to that as any body can be; *forged* is what others can make of a request. *bonds*
    are the namespaces, two and two, that *known* links, and nothing else ever does. Who does not *repeat* tells with each
    request another event. *needs* names what has to be there besides: a `database` of links, or a `wechat`.
    """

    known: Callable[[], Sent]
    unknown: Callable[[], Sent] | None
    says: Callable[[bytes], Sent]
    forged: Callable[[Sent], Sequence[Sent]]
    right: Rights
    bonds: frozenset[str] = frozenset()
    repeats: bool = True
    needs: str = ""


def rights(*kinds: str, ok: int = 200, but: Rights | None = None, **others: Right | Moot) -> Rights:
    """Return what is right of a platform that signs body and time and tells *kinds*, but for *others*."""
    usual: dict[Attack, Right | Moot] = {
        Attack.FORGED: Right(403),
        Attack.REPLAYED: Right(403),
        Attack.XML_BOMB: Right(ok, kept=("invalid_json",)),
        Attack.GZIP_BOMB: Right(413),
        Attack.LARGE: Right(413),
        Attack.CHARSET: Right(ok, kept=("invalid_json",)),
        Attack.DEEP: Right(ok, kept=("too_deep",)),
        Attack.UNKNOWN: Right(ok, ("track",)),
        Attack.TWICE: Right(ok, kinds),
        Attack.LOG_DOWN: Right(503),
    }
    return {**usual, **(but or {}), **{Attack[name.upper()]: right for name, right in others.items()}}
