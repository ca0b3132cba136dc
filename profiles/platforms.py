"""Lists for ad platforms: which addresses each takes, in what normal form, by which hash, under which heading. Pure.

What a platform wants stands in its public documentation: Meta's customer lists, Google's Customer Match, TikTok's customer files,
`user_id_type` of Tencent Ads, the DMP of Ocean Engine. A hash in another form than its platform hashes matches nobody.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from profiles.writers import Form, Kind

CHINA = "+86"
NATIONAL_LENGTH = 11

Normal = Callable[[str], str | None]
"""Makes of a phone in E.164, or of a mail address in lower case, what is hashed; `None` where the platform has no such."""

Hash = Callable[[bytes], str]


class Platform(StrEnum):
    """Whose list, and of what."""

    META = "meta"
    GOOGLE = "google"
    TIKTOK = "tiktok"
    TENCENT_MD5 = "tencent_md5"
    TENCENT_SHA256 = "tencent_sha256"
    OCEANENGINE = "oceanengine"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and what stands below: of the addresses of *channel* the *normal* form, hashed."""

    heading: str
    channel: str
    normal: Normal
    hash: Hash

    def values(self, addresses: Mapping[str, Sequence[str]]) -> list[str]:
        """Return what of a person's *addresses*, by channel, stands in this column."""
        normal = filter(None, map(self.normal, addresses.get(self.channel, ())))
        return [*dict.fromkeys(self.hash(each.encode()) for each in normal)]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a platform takes; one without a head takes a mere list."""

    columns: Sequence[Column]
    has_head: bool

    @property
    def form(self) -> Form:
        """The form of its file."""
        return Form({column.heading: Kind.TEXT for column in self.columns}, for_machines=True, has_head=self.has_head)


def rows(profile: Profile, people: Iterable[Mapping[str, Sequence[str]]]) -> Iterator[Mapping[str, str]]:
    """Return the rows for *people*, each his addresses by channel. Who has more addresses than one has more rows than one."""
    headings = [column.heading for column in profile.columns]
    for addresses in people:
        for values in zip_longest(*(column.values(addresses) for column in profile.columns)):
            yield {heading: value for heading, value in zip(headings, values, strict=True) if value}


def _sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _md5(value: bytes) -> str:
    return hashlib.md5(value, usedforsecurity=False).hexdigest()  # what the platform asks for


def _as_it_is(value: str) -> str:
    return value


def _digits(phone: str) -> str:
    return phone.removeprefix("+")


def _national(phone: str) -> str | None:
    number = phone.removeprefix(CHINA)
    return number if number != phone and len(number) == NATIONAL_LENGTH else None


def _without_dots(mail: str) -> str:
    """Google delivers to these whatever dots there are."""
    local, _, domain = mail.rpartition("@")
    return f"{local.replace('.', '')}@{domain}" if domain in ("gmail.com", "googlemail.com") else mail


def _without_suffix(mail: str) -> str:
    local, _, domain = mail.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


PROFILES: Mapping[Platform, Profile] = {
    Platform.META: Profile(
        (Column("email", "mail", _as_it_is, _sha256), Column("phone", "sms", _digits, _sha256)), has_head=True
    ),
    Platform.GOOGLE: Profile(
        (Column("Email", "mail", _without_dots, _sha256), Column("Phone", "sms", _as_it_is, _sha256)), has_head=True
    ),
    Platform.TIKTOK: Profile(
        (
            Column("Email_SHA256", "mail", _without_suffix, _sha256),
            Column("Phone_SHA256", "sms", _as_it_is, _sha256),
        ),
        has_head=True,
    ),
    Platform.TENCENT_MD5: Profile((Column("HASH_MOBILE_PHONE", "sms", _national, _md5),), has_head=False),
    Platform.TENCENT_SHA256: Profile((Column("SHA256_MOBILE_PHONE", "sms", _national, _sha256),), has_head=False),
    Platform.OCEANENGINE: Profile((Column("MOBILE_HASH_SHA256", "sms", _national, _sha256),), has_head=False),
}
