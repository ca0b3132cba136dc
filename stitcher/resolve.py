"""Who is one person: the pure function from evidence to people.

What a person decided goes before all else: directives unite, keep apart, or take an identifier out. Then it is decided in two
rounds (`stitcher.round`), first by what *trusted* sources say alone, then by *all* that is said: so the public may add to the
people whom trusted sources know, and can neither join nor divide them. At last an anonymous person who was the first to open
what was sent to a known one is *presumed* to be him, on the weakest ground.

Neither the order of arrival nor what was decided before matters, which makes replay, preview, retraction and the worker's batch
the same call.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

import networkx as nx

from core.identifier import IdentifierId, PersonId
from stitcher.decisions import Decisions, Pair
from stitcher.graph import Evidence, Link, Opening, pair
from stitcher.groups import Groups, connected, seniority
from stitcher.round import Closing, Closure, Closures, Decider, Reason, Round
from stitcher.rules import Rules


@dataclass(frozen=True, slots=True)
class Settled:
    """What earlier evidence has settled, by round, of identifiers whose links are not all at hand; *openers* are those who opened
    links of several people, which are not at hand either."""

    trusted: Closures = field(default_factory=dict)
    all: Closures = field(default_factory=dict)
    openers: Closures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Partition:
    """People, and all that was decided on the way to them.

    Every identifier has a *person*; a *contested*, *generic* or *blocked* one is owned by nobody and stands for itself; a
    *presumed* one is its person's until it proves to be somebody else's. *refused* says why a link joins nothing, *bridges*
    which weak identifiers hold people together. *neighbourhoods* are the sets within which further evidence can matter, and
    *missing* who would have to be known too to decide what is left open.
    """

    person: Mapping[IdentifierId, PersonId]
    refused: Mapping[Pair, Reason]
    contested: frozenset[IdentifierId]
    generic: frozenset[IdentifierId]
    blocked: frozenset[IdentifierId]
    presumed: frozenset[IdentifierId]
    bridges: frozenset[IdentifierId]
    trusted: Round
    all: Round
    openers: Closures
    neighbourhoods: Sequence[frozenset[IdentifierId]]
    missing: frozenset[IdentifierId]


_NOTHING_SETTLED = Settled()


def resolve(evidence: Evidence, rules: Rules, settled: Settled = _NOTHING_SETTLED) -> Partition:
    """Say who is one person, given all *evidence* of some neighbourhoods.

    A function of the evidence alone. *settled* stands for evidence that lies outside; given all evidence there is none, and the
    result is the same.
    """
    decided = evidence.decided.between(evidence.nodes)
    voices = _heard(evidence, decided, rules, settled)
    difficult = voices.trusted | voices.public | voices.both
    people = Groups({i: evidence.nodes[i] for i in difficult}, rules, decided.cannot)
    _impose(people, decided)
    links = {e: link for e, link in evidence.links.items() if e[0] in difficult}
    said = {e: link.trusted for e, link in links.items() if link.trusted and e[0] not in voices.public}
    first = Decider(
        people,
        voices.trusted | voices.both,
        said,
        settled.trusted,
        unfinished=voices.both,
        blocked=decided.blocked,
    )
    first_round = first.carried_out()
    heard = {e: link.basis for e, link in links.items() if e[0] not in voices.trusted}
    inherited = _inherited(settled.all, first_round.closures)
    second = Decider(people, voices.public | voices.both, heard, inherited, before=first, blocked=decided.blocked)
    openings = {t: o for t, o in evidence.openings.items() if o.opener in difficult}
    difficult_ones = _partition(links, openings, people, decided, settled, first_round, second)
    return _with_plain(voices.plain, evidence, rules, difficult_ones)


@dataclass(slots=True)
class _Voices:
    """Identifiers by who speaks of them, all that hangs together going together: trusted sources, the public, both.

    Where only one of them speaks, its round decides alone. *plain* sets hold nothing that could be in conflict.
    """

    trusted: set[IdentifierId] = field(default_factory=set)
    public: set[IdentifierId] = field(default_factory=set)
    both: set[IdentifierId] = field(default_factory=set)
    plain: list[set[IdentifierId]] = field(default_factory=list)


def _heard(evidence: Evidence, decided: Decisions, rules: Rules, settled: Settled) -> _Voices:
    opened = [
        ends
        for opening in evidence.openings.values()
        for ends in pairwise(i for i in (opening.opener, *opening.recipients) if i in evidence.nodes)
    ]
    special = {i for ends in decided.must | decided.cannot for i in ends} | decided.blocked | settled.openers.keys()
    special.update(i for o in evidence.openings.values() for i in (o.opener, *o.recipients))
    strong = {i for i, n in evidence.nodes.items() if rules.namespaces[n.identifier.namespace].kind != "weak"}
    components = connected(evidence.nodes, chain(evidence.links, decided.must, opened))
    place = {i: at for at, component in enumerate(components) for i in component}
    links: list[list[tuple[Pair, Link]]] = [[] for _ in components]
    for item in evidence.links.items():
        links[place[item[0][0]]].append(item)
    voices = _Voices()
    for component, own in zip(components, links, strict=True):
        closed = [i for i in component if i in settled.all]
        is_free = not closed and special.isdisjoint(component)
        if is_free and _is_plain(component, component & strong, own, evidence, rules):
            voices.plain.append(component)
        elif all(link.trusted == link.basis for _, link in own) and all(
            settled.all[i] == settled.trusted.get(i) for i in closed
        ):
            voices.trusted |= component
        elif not closed and not any(link.trusted for _, link in own):
            voices.public |= component
        else:
            voices.both |= component
    return voices


def _is_plain(
    component: set[IdentifierId],
    strong: set[IdentifierId],
    links: Sequence[tuple[Pair, Link]],
    evidence: Evidence,
    rules: Rules,
) -> bool:
    """Whether no rule can speak, in either round, against making one person of *component*, whatever the order of its links.

    That is so where its *strong* identifiers, no two of them in one slot, hang together by strong links that whoever decides
    first hears, and are too few to make any of them generic: there is one core then, which every weak one can only join.
    """
    if len(component) > rules.person_identifiers_max:
        return False
    if len(strong) < 2:
        return True
    named = [evidence.nodes[i].identifier for i in strong]
    counted = sum(identifier.namespace in rules.generic_counted for identifier in named)
    if counted > rules.generic_owners_max or len({identifier.slot for identifier in named}) < len(strong):
        return False
    between = [(ends, link) for ends, link in links if ends[0] in strong and ends[1] in strong]
    heard = [ends for ends, link in between if link.trusted]
    if not any(link.trusted for _, link in links) and sum(evidence.nodes[i].vouched for i in strong) < 2:
        heard = [ends for ends, _ in between]
    return len(connected(strong, heard)) == 1


def _impose(people: Groups, decided: Decisions) -> None:
    """Unite what must be one person's, the best ranked first, unless that breaks a `cannot_link` or the size of a person."""
    able = [ends for ends in decided.must if decided.blocked.isdisjoint(ends)]
    for ends in sorted(able, key=lambda ends: (people.rank(ends[0]) + people.rank(ends[1]), people.texts(ends))):
        one, other = people.find(ends[0]), people.find(ends[1])
        if one != other and not people.forbid(one, other) and not people.exceed([one, other]):
            people.unite(one, other)


def _with_plain(plain: Iterable[set[IdentifierId]], evidence: Evidence, rules: Rules, rest: Partition) -> Partition:
    """Add the people about whom there is nothing to decide: where nothing is in conflict, they are what hangs together."""
    person = dict(rest.person)
    core, slots = dict(rest.all.core), dict(rest.all.slots)
    neighbourhoods = list(rest.neighbourhoods)
    for component in plain:
        nodes = {i: evidence.nodes[i] for i in component}
        person.update(dict.fromkeys(component, PersonId(min(nodes, key=lambda i: seniority(nodes[i], rules)))))
        strong = [i for i, n in nodes.items() if rules.namespaces[n.identifier.namespace].kind != "weak"]
        core.update(dict.fromkeys(strong, strong[0]) if strong else {})
        slots.update({strong[0]: frozenset(nodes[i].identifier.slot for i in strong)} if strong else {})
        neighbourhoods.append(frozenset(component))
    trusted = Round({**core, **rest.trusted.core}, {**slots, **rest.trusted.slots}, rest.trusted.closures)
    everything = Round(core, slots, rest.all.closures)
    return replace(rest, person=person, trusted=trusted, all=everything, neighbourhoods=neighbourhoods)


def _inherited(settled: Closures, trusted: Closures) -> dict[IdentifierId, Closure]:
    """Who is out of the game by trusted sources' word is so in the second round too, and may be further out there."""
    further = {i: c for i, c in settled.items() if c.closing is not Closing.APART}
    return {**settled, **trusted, **further}


def _partition(
    links: Mapping[Pair, Link],
    openings: Mapping[IdentifierId, Opening],
    people: Groups,
    decided: Decisions,
    settled: Settled,
    first: Round,
    whole: Decider,
) -> Partition:
    second = whole.carried_out()
    second = Round({**first.core, **second.core}, {**first.slots, **second.slots}, second.closures)
    presumption = _presumption(openings, people, whole.contested, settled.openers, second)
    person = people.named()
    alone = {i for i in second.closures if i in person and second.links_nothing(i) and people.is_alone(i)}
    generic = frozenset(i for i in alone if i not in decided.blocked)
    refused = {
        ends: whole.refused.get(ends) or _reason(ends, decided, alone, people, whole.contested)
        for ends in links
        if person[ends[0]] != person[ends[1]]
    }
    person.update((i, person[known]) for i, known in presumption.presumed.items())
    return Partition(
        person=person,
        refused=refused,
        contested=frozenset(whole.contested),
        generic=generic,
        blocked=frozenset(i for i in decided.blocked if i in person),
        presumed=frozenset(presumption.presumed),
        bridges=frozenset(whole.bridges),
        trusted=first,
        all=second,
        openers=presumption.closures,
        neighbourhoods=_neighbourhoods(people, links, decided, presumption.edges, first, second),
        missing=presumption.missing,
    )


def _reason(
    ends: Pair,
    decided: Decisions,
    alone: Collection[IdentifierId],
    people: Groups,
    contested: Collection[IdentifierId],
) -> Reason:
    """Say why a link joins nothing that no rule refused by itself: by what its two ends have come to, and by nothing else."""
    if not decided.blocked.isdisjoint(ends):
        return Reason.BLOCKED
    if ends[0] in alone or ends[1] in alone:
        return Reason.GENERIC
    is_kept_apart = ends[0] not in contested and ends[1] not in contested and people.forbid(*map(people.find, ends))
    return Reason.CANNOT_LINK if ends in decided.cannot or is_kept_apart else Reason.CONTESTED


@dataclass(slots=True)
class _Presumption:
    """Whom each *presumed* identifier is taken for (one of his), and what further openings of links could change: *edges* from
    those who opened them to those to whom they were delivered, and who of the latter is *missing* here."""

    presumed: Mapping[IdentifierId, IdentifierId]
    closures: Mapping[IdentifierId, Closure]
    edges: Sequence[Pair]
    missing: frozenset[IdentifierId]


def _presumption(
    openings: Mapping[IdentifierId, Opening],
    people: Groups,
    contested: Collection[IdentifierId],
    settled: Closures,
    outcome: Round,
) -> _Presumption:
    """An anonymous person who was the first to open links delivered to exactly one known person is presumed to be him."""
    closures = {i: closure for i, closure in settled.items() if i in people.nodes}
    by_opener: dict[IdentifierId, list[Opening]] = defaultdict(list)
    for opening in openings.values():
        opener = opening.opener
        is_nobodys = opener in contested or outcome.links_nothing(opener) or opener in closures
        if opener in people.weak and not is_nobodys and not people.is_known(opener):
            by_opener[opener].append(opening)
    edges, missing = [], set()
    by_person: dict[IdentifierId, list[Opening]] = defaultdict(list)
    for opener, own in by_opener.items():
        recipients = {i for opening in own for i in opening.recipients}
        missing |= recipients - people.nodes.keys()
        known = [i for i in sorted(recipients) if i in outcome.core and not outcome.links_nothing(i)]
        witness = outcome.witness(known)
        if witness:
            closures[opener] = Closure(Closing.OPENER, witness)
        else:
            edges += [pair(opener, i) for i in recipients if i in people.nodes]
        by_person[people.find(opener)] += own
    presumed = _presumed(by_person, people, closures, outcome)
    return _Presumption(presumed, closures, edges, frozenset(missing))


def _presumed(
    by_person: Mapping[IdentifierId, Sequence[Opening]], people: Groups, closures: Closures, outcome: Round
) -> Mapping[IdentifierId, IdentifierId]:
    presumed: dict[IdentifierId, IdentifierId] = {}
    together: dict[IdentifierId, set[IdentifierId]] = defaultdict(set)
    for root, own in sorted(by_person.items(), key=lambda item: min(item[1])):
        members = people.members[root]
        recipients = {i for opening in own for i in opening.recipients if i in outcome.core}
        known = {people.find(i) for i in recipients if not outcome.links_nothing(i)}
        if len(known) != 1 or not closures.keys().isdisjoint(members):
            continue
        (whom,) = known
        everybody = together[whom] | {whom, root}
        if not people.forbid_any(everybody) and not people.exceed(everybody):
            together[whom].add(root)
            presumed.update(dict.fromkeys(members, whom))
    return presumed


def _neighbourhoods(
    people: Groups,
    links: Mapping[Pair, Link],
    decided: Decisions,
    opened: Iterable[Pair],
    first: Round,
    second: Round,
) -> list[frozenset[IdentifierId]]:
    graph: nx.Graph[IdentifierId] = nx.Graph()
    graph.add_nodes_from(people.nodes)
    graph.add_edges_from(decided.must)
    graph.add_edges_from(opened)
    for ends, link in links.items():
        if not second.ignores(ends, people.weak) or (link.trusted and not first.ignores(ends, people.weak)):
            graph.add_edge(*ends)
    return [frozenset(members) for members in nx.connected_components(graph)]
