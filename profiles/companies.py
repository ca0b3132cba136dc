"""Companies: who is of which, and why. Pure.

Two things say for whom somebody works, and the first that says anything decides: his mailboxes at work (all of them), and the
company that he, or a platform, named last. A company is known by its domain, or else by its exact name. That two names are
alike says nothing certain: it suggests that two companies are one, and rolls nobody up.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from core.event import EventUid
from core.identifier import IdentifierId, PersonId
from profiles.mail_domains import employer

CompanyId = NewType("CompanyId", str)

NAMES_MAX = 20  # of one company that are kept, those that most people say


class Ground(StrEnum):
    """What says for whom somebody works."""

    WORK_MAIL = "work_mail"
    DECLARED = "declared"
    WECOM_CORP = "wecom_corp"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """That *person* has a mailbox at *host*: his *identifier*, known since *at*."""

    person: PersonId
    identifier: IdentifierId
    host: str
    at: datetime

    @property
    def ground(self) -> Ground:
        """What kind of reason this is."""
        return Ground.WORK_MAIL

    @property
    def said(self) -> str:
        """What says for whom he works."""
        return self.host

    @property
    def by(self) -> str:
        """By what it is known."""
        return self.identifier


@dataclass(frozen=True, slots=True)
class Naming:
    """That an event names the company of *person*, by *name*, *domain* or both."""

    person: PersonId
    uid: EventUid
    at: datetime
    name: str | None
    domain: str | None
    ground: Ground = Ground.DECLARED

    @property
    def company(self) -> CompanyId | None:
        """Which company is meant, as far as one is."""
        domain = employer(self.domain) if self.domain else None
        if domain:
            return CompanyId(domain)
        return named(self.name) if self.name and self.name.strip() else None

    @property
    def said(self) -> str:
        """What says for whom he works."""
        company = self.company
        return str(self.domain if company and is_domain(company) else self.name)

    @property
    def by(self) -> str:
        """By what it is known."""
        return self.uid


Because = Mailbox | Naming
"""Why somebody is of a company."""


@dataclass(frozen=True, slots=True)
class Company:
    """A company: its *domain*, where that is known, the *names* that its people say, what most say first, and its
    *members*."""

    id: CompanyId
    domain: str | None
    names: Sequence[str]
    members: Mapping[PersonId, Sequence[Because]]

    @property
    def name(self) -> str:
        """What to call it."""
        return self.names[0] if self.names else str(self.domain)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """That *company* may be the same, since a name of its own (*theirs*) is as good as one of *ours*."""

    company: Company
    ours: str
    theirs: str


def rolled_up(mailboxes: Iterable[Mailbox], namings: Iterable[Naming]) -> Mapping[CompanyId, Company]:
    """Return all companies of which *mailboxes* and *namings*, in any order, know anybody."""
    members = _at_work(mailboxes)
    meant = [(company, naming) for naming in namings if (company := naming.company)]
    for company, newest in _newest(meant):
        members.setdefault(newest.person, [(company, newest)])
    by_company: dict[CompanyId, dict[PersonId, list[Because]]] = defaultdict(lambda: defaultdict(list))
    for person, own in members.items():
        for company, because in own:
            by_company[company][person].append(because)
    names = _names(meant, members)
    return {
        company: Company(company, str(company) if is_domain(company) else None, names.get(company, ()), own)
        for company, own in by_company.items()
    }


def suggestions(companies: Mapping[CompanyId, Company], of: Company, forms: Sequence[str]) -> Sequence[Suggestion]:
    """Return which of *companies* may be the same as *of*: a name of theirs is the same without *forms*, case and marks."""
    ours = {bare(name, forms): name for name in reversed(_called(of))}
    found = []
    for company in companies.values():
        if company.id != of.id:
            alike = ((ours.get(bare(name, forms)), name) for name in _called(company))
            found += [Suggestion(company, our, their) for our, their in alike if our][:1]
    return sorted(found, key=lambda each: (-len(each.company.members), each.company.id))


def bare(name: str, forms: Sequence[str]) -> str:
    """Return *name* without *forms* at its ends, case, spaces and marks; what consists of nothing else stays as it is."""
    left = unicodedata.normalize("NFKC", name).casefold().strip()
    while shorter := next((cut for form in forms if (cut := _without(left, form)) not in (None, "")), None):
        left = shorter
    return re.sub(r"[\W_]+", "", left)


def named(name: str) -> CompanyId:
    """Return the id of a company that is known only by its exact *name*, whatever its spaces and the width of its characters."""
    exact = " ".join(unicodedata.normalize("NFKC", name).split())
    return CompanyId(f"name-{hashlib.sha256(exact.encode()).hexdigest()[:24]}")


def is_domain(company: CompanyId) -> bool:
    """Whether it is known by its domain."""
    return "." in company


def _at_work(mailboxes: Iterable[Mailbox]) -> dict[PersonId, list[tuple[CompanyId, Because]]]:
    found: dict[PersonId, list[tuple[CompanyId, Because]]] = {}
    for box in mailboxes:
        if domain := employer(box.host):
            own = found.setdefault(box.person, [])
            own.append((CompanyId(domain), box))
            if len(own) > 1:
                own.sort(key=lambda each: (each[1].at, each[1].by))
    return found


def _newest(meant: Iterable[tuple[CompanyId, Naming]]) -> Iterable[tuple[CompanyId, Naming]]:
    newest: dict[PersonId, tuple[CompanyId, Naming]] = {}
    for company, naming in meant:
        known = newest.get(naming.person)
        if known is None or (known[1].at, known[1].uid) < (naming.at, naming.uid):
            newest[naming.person] = company, naming
    return newest.values()


def _names(
    meant: Iterable[tuple[CompanyId, Naming]], members: Mapping[PersonId, Sequence[tuple[CompanyId, Because]]]
) -> Mapping[CompanyId, Sequence[str]]:
    """Return by what names companies are called: in one breath with the domain, or by one who works there."""
    said: dict[CompanyId, set[tuple[str, PersonId]]] = defaultdict(set)
    for company, naming in meant:
        if naming.name and naming.name.strip():
            own = {each for each, _ in members.get(naming.person, ()) if is_domain(each)}
            for each in {company} | (own if len(own) == 1 and not is_domain(company) else set()):
                said[each].add((naming.name.strip(), naming.person))
    counted = {company: Counter(name for name, _ in people) for company, people in said.items()}
    return {
        company: sorted(names, key=lambda name: (-names[name], name))[:NAMES_MAX] for company, names in counted.items()
    }


def _called(company: Company) -> Sequence[str]:
    """Return its names, and the word that its domain begins with."""
    return [*company.names, company.domain.partition(".")[0]] if company.domain else company.names


def _without(name: str, form: str) -> str | None:
    """Return *name* without *form* before or behind it, which in Latin letters has to be a word."""
    is_word = form[0].isascii() and form[0].isalpha()
    behind = name.removesuffix(form)
    if behind != name and (not is_word or not behind[-1:].isalnum()):
        return behind.rstrip(" ,.，、")
    before = name.removeprefix(form)
    if before != name and (not is_word or not before[:1].isalnum()):
        return before.lstrip(" ,.，、")
    return None
