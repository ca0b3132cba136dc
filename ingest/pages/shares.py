"""Share links: every browser that opens an article has one of its own, which its reader passes on. Pure.

A link's token is an HMAC of article and browser, so that a reload has the same and nobody can make somebody else's. It
proves for which article it was made; whose it is says `article.shared`, which only we write.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import cast

from core.sealed import derived
from ingest.callback import Document
from ingest.links.link import Signs
from ingest.tokens import Tokens

NUMBER_BYTES = 8


@dataclass(frozen=True)
class Shares:
    """The share links of an installation, by its *signing_key*; what derives from it is worked out once."""

    signing_key: bytes

    def own(self, article_id: str, anonymous_id: str, account: str) -> str:
        """Return the token of the link by which the browser called *anonymous_id* passes an article on."""
        named = "\0".join((account, article_id, anonymous_id)).encode()
        digest = hmac.digest(self._numbers_key, named, "sha256")
        return self._tokens.written(int.from_bytes(digest[:NUMBER_BYTES], "big"), article_id.encode())

    def are_ours(self, token: str, article_id: str) -> bool:
        """Whether *token* is one that we made for the article."""
        return self._tokens.read(token, article_id.encode()) is not None

    def amended(self, document: object) -> object:
        """Return an event as a page wrote it, without a link that is not ours: its reader came by none that we know.

        Who came by a link that was sent to somebody came by no reader's: its token becomes a hint.
        """
        match document:
            case {"type": "article.read", "article": {"id": str(article_id)}, "share": {"token": token}}:
                told = cast("Document", document)
                if not isinstance(token, str):
                    return _refused(told)
                if self.links.read(token) is not None:
                    return _sent(told, token)
                return told if self.are_ours(token, article_id) else _refused(told)
        return document

    @cached_property
    def links(self) -> Tokens:
        """The tokens of links that are sent, not shared."""
        return Signs.of(self.signing_key).follow

    @cached_property
    def _numbers_key(self) -> bytes:
        return derived(self.signing_key, "share number")

    @cached_property
    def _tokens(self) -> Tokens:
        return Tokens(derived(self.signing_key, "share"), b"share", NUMBER_BYTES)


def shared(
    account: str, article_id: str, anonymous_id: str, token: str, parent_token: str | None, at: datetime
) -> Document:
    """Return the event that says whose link *token* is, and by which link he came.

    It names one browser and nobody else: an edge of a share tree is a relation between two people, and never makes them one.
    """
    return {
        "id": f"shared-{token}",
        "type": "article.shared",
        "channel": "h5",
        "occurred_at": at,
        "identifiers": [browser(account, anonymous_id)],
        "article": {"id": article_id},
        "share": {"token": token, **({"parent_token": parent_token} if parent_token else {})},
    }


def browser(account: str, anonymous_id: str) -> Mapping[str, str]:
    """Return the identifier of a browser on the pages of *account*."""
    return {"namespace": "anonymous_id", "scope": account, "value": anonymous_id}


def _sent(document: Document, token: str) -> Document:
    hint = {"namespace": "link_token", "value": token, "role": "hint"}
    named = document.get("identifiers", [])
    return _without_token(document) | ({"identifiers": [*named, hint]} if isinstance(named, list) else {})


def _refused(document: Document) -> Document:
    properties = document.get("properties")
    said = properties if isinstance(properties, Mapping) else {}
    return {**_without_token(document), "properties": {**said, "token_refused": True}}


def _without_token(document: Document) -> Document:
    return {**document, "share": {name: value for name, value in document["share"].items() if name != "token"}}
