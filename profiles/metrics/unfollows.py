"""Who turned away after a push: unfollowed the account within some hours of it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from profiles.metrics.deeds import Deeds, Rows, Told
from profiles.metrics.rates import Part

FOLLOWED, UNFOLLOWED = "official_account.followed", "official_account.unfollowed"
PUSHED = "article.pushed"
PUSHES_MAX = 200

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Push:
    """An *article* that an *account* first pushed at *at*, and who unfollowed it within the time asked for: of those
    *pushed* to, each from his own first push on; of all *followers* at the first push, from that on."""

    article: str | None
    account: str | None
    at: int
    pushed: Part
    followers: Part


def unfollows(told: Told, following: Deeds, until: int, within: int) -> Sequence[Push]:
    """Return what followed each push before *until*, the newest first, at most `PUSHES_MAX`.

    *Told* are pushes and who unfollowed, by article and account; pushes to nobody in particular are pushes too.
    *Following* is all that was ever said of following.
    """
    found = []
    for article, account, to, others in _pushes(told, until):
        at = int(min(times.min() for times in (to.at, others.at) if len(times)))
        gone = told.deeds.of_types({UNFOLLOWED})
        pushed = _of_pushed(to, gone.kept(_is(gone, "account", account)), within)
        followers = _of_followers(following.kept(_is(following, "account", account)), at, within)
        found.append(Push(article, account, at, pushed, followers))
    return sorted(found, key=lambda push: (-push.at, push.article or "", push.account or ""))[:PUSHES_MAX]


def _pushes(told: Told, until: int) -> Iterator[tuple[str | None, str | None, Deeds, Deeds]]:
    """Yield each article and account with its pushes, those to people and the others."""
    both = [deeds.of_types({PUSHED}).between(-_NEVER, until) for deeds in (told.deeds, told.nobodys)]
    keys = {(a, b) for deeds in both for a, b in zip(_names(deeds, "article"), _names(deeds, "account"), strict=True)}
    for article, account in keys:
        to, others = (each.kept(_is(each, "article", article) & _is(each, "account", account)) for each in both)
        yield article, account, to, others


def _names(deeds: Deeds, name: str) -> list[str | None]:
    return [deeds.words[name].name(code) for code in deeds.words[name].code.tolist()]


def _is(deeds: Deeds, name: str, word: str | None) -> Rows:
    words = deeds.words[name]
    return words.said_nothing if word is None else words.among({word})


def _of_pushed(pushes: Deeds, gone: Deeds, within: int) -> Part:
    first = np.full(len(pushes.people), _NEVER, dtype=np.int64)
    np.minimum.at(first, pushes.person, pushes.at)
    began = first[gone.person]
    turned = (gone.at >= began) & (gone.at - np.minimum(began, gone.at) < within)
    return Part(len(np.unique(gone.person[turned])), len(np.unique(pushes.person)))


def _of_followers(following: Deeds, at: int, within: int) -> Part:
    before = following.between(-_NEVER, at)
    is_last = np.append(before.person[1:] != before.person[:-1], [True])[: len(before)]
    latest = before.kept(is_last)
    followers = latest.of_types({FOLLOWED}).person
    gone = following.between(at, at + within).of_types({UNFOLLOWED}).person
    return Part(len(np.intersect1d(followers, gone)), len(followers))
