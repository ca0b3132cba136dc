"""Hashed lists for ad platforms, of people who agreed to it: whoever they are, given by their ids."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from sqlalchemy import Connection

from core.identifier import PersonId
from profiles import platforms, reach
from profiles.consent import Way
from profiles.platforms import Platform

BATCH_PEOPLE_MAX = 500


def rows(
    connection: Connection, people: Iterable[PersonId], platform: Platform, purpose: str
) -> Iterator[Mapping[str, str]]:
    """Return the rows of the list of *platform* for those of *people* (of present ids) who agreed to *purpose*.

    An address is in it exactly when its channel may be used: somebody who wants no texts is not in it with his phone, though
    he may be with his mail address.
    """
    return platforms.rows(platforms.PROFILES[platform], _addresses(connection, people, purpose))


def _addresses(
    connection: Connection, people: Iterable[PersonId], purpose: str
) -> Iterator[Mapping[str, Sequence[str]]]:
    waiting = iter(people)
    while batch := list(islice(waiting, BATCH_PEOPLE_MAX)):
        ways = reach.ways(connection, batch, purpose)
        for person in batch:
            yield {way.channel: _open(way) for way in ways[person]}


def _open(way: Way) -> Sequence[str]:
    return [address.identifier.value for address in way.addresses if address.is_open]
