"""Posts of a platform that signs: each made anew for every try, sent until it is accepted, and judged."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import httpx

from siyu.simulators.sending import Check, check, deliver

Made = Callable[[], tuple[bytes, Mapping[str, str]]]
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Post:
    """What a platform posts: *made* returns body and headers, signed anew; it wants to be answered *status* and *content*.

    *query* is for those who sign there, once for all tries.
    """

    name: str
    made: Made
    status: int = 200
    content: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    def accepts(self, answer: httpx.Response) -> bool:
        """Whether *answer* is what the platform wants to hear."""
        return answer.status_code == self.status and self.content in (None, answer.text)

    @property
    def expected(self) -> str:
        """What it wants to hear, in words."""
        return f"{self.status} {self.content or ''}".strip()


def posted(
    client: httpx.Client, path: str, posts: Iterable[Post], waits_seconds: Sequence[float], sleep: Sleep = time.sleep
) -> Iterator[Check]:
    """Send *posts* to *path*, one after the other, and judge each answer. What must be refused is sent once."""
    for post in posts:
        waits = waits_seconds if post.status < 400 else ()

        def request(post: Post = post) -> httpx.Request:
            content, headers = post.made()
            return client.build_request("POST", path, content=content, headers=headers, params=post.query)

        yield check(post.name, deliver(client, request, post.accepts, waits, sleep), post.expected, post.accepts)


def refused(name: str, post: Post) -> Post:
    """Return *post* as one that must be refused, and is called *name*."""
    return replace(post, name=name, status=403, content=None)


def forged(made: Made) -> Made:
    """Return what somebody sends who has seen a request of *made*, and says something else under its signature."""

    def altered() -> tuple[bytes, Mapping[str, str]]:
        content, headers = made()
        return content.replace(b"1", b"2"), headers

    return altered
