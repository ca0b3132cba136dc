"""Who is of which company, decided from what is known of mailboxes and names alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidSetting
from core.event import EventUid
from core.identifier import IdentifierId, PersonId
from profiles import company_intent
from profiles.activity import Active
from profiles.companies import Ground, Mailbox, Naming, bare, named, rolled_up
from profiles.mail_domains import employer

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RULES = company_intent.shipped()
FORMS = RULES.names.forms
ANN, BEN = PersonId(IdentifierId("ann")), PersonId(IdentifierId("ben"))

people = st.sampled_from([PersonId(IdentifierId(each)) for each in "abcd"])
times = st.integers(0, 3).map(lambda day: NOW + timedelta(days=day))
hosts = st.sampled_from(["acme.com", "mail.acme.com", "qq.com", "b.cn"])
uids = st.integers(0, 99).map(lambda number: EventUid(str(number)))
mailboxes = st.builds(lambda person, host: Mailbox(person, IdentifierId(host), host, NOW), people, hosts)
namings = st.builds(Naming, people, uids, times, st.sampled_from([None, "Acme", "B"]), st.none() | hosts)


def active(score: int, *events: int) -> Active:
    weeks = [*events, *[0] * RULES.weeks][: RULES.weeks]
    return Active(score, weeks, sum(weeks))


@pytest.mark.parametrize(
    ("host", "company"),
    [
        ("acme.com", "acme.com"),
        ("mail.sales.acme.com.cn", "acme.com.cn"),
        ("https://www.acme.co.uk/about", "acme.co.uk"),
        ("例子.公司.cn", "xn--fsqu00a.xn--55qx5d.cn"),
        ("shop.github.io", "shop.github.io"),
        ("com.cn", None),
        ("localhost", None),
        ("10.0.0.1", None),
        ("", None),
        ("a..b.com", None),
    ],
)
def test_a_company_is_known_by_the_domain_that_it_registered(host: str, company: str | None) -> None:
    assert employer(host) == company


@pytest.mark.parametrize(
    "host",
    [
        "qq.com",
        "vip.qq.com",
        "foxmail.com",
        "163.com",
        "vip.163.com",
        "126.com",
        "yeah.net",
        "sina.com",
        "sina.cn",
        "sohu.com",
        "139.com",
        "189.cn",
        "aliyun.com",
        "wo.cn",
        "gmail.com",
        "outlook.com",
        "hotmail.com",
        "icloud.com",
        "yahoo.com",
        "yahoo.co.jp",
        "proton.me",
        "gmx.de",
        "mail.ru",
        "naver.com",
        "privaterelay.appleid.com",
        "mailinator.com",
        "yopmail.com",
        "10minutemail.com",
    ],
)
def test_where_anybody_has_a_mailbox_nobody_works(host: str) -> None:
    assert employer(host) is None


@pytest.mark.parametrize(
    ("name", "core"),
    [
        ("Acme Co., Ltd.", "acme"),
        ("ＡＣＭＥ　Inc", "acme"),
        ("The Acme Company", "acme"),
        ("上海四域科技有限公司", "上海四域科技"),
        ("上海四域科技股份有限公司", "上海四域科技"),
        ("四域（中国）有限公司", "四域"),
        ("Tesla AG", "tesla"),
        ("Sag", "sag"),
        ("Incas", "incas"),
    ],
)
def test_names_are_alike_without_their_forms(name: str, core: str) -> None:
    assert bare(name, FORMS) == core


def test_an_exact_name_is_not_told_apart_by_spaces_and_widths_only() -> None:
    assert named("Acme  Ltd") == named("Ａcme Ltd ") != named("Acme Inc")


def test_a_mailbox_at_work_outdoes_what_is_declared() -> None:
    box = Mailbox(ANN, IdentifierId("m"), "mail.acme.com", NOW)
    says = Naming(ANN, EventUid("e"), NOW, "Acme Ltd", None)

    (company,) = rolled_up([box], [says]).values()

    assert (company.id, company.name) == ("acme.com", "Acme Ltd")
    assert [(because.ground, because.said, because.by) for because in company.members[ANN]] == [
        (Ground.WORK_MAIL, "mail.acme.com", "m")
    ]


def test_a_declared_domain_of_free_mail_leaves_the_name() -> None:
    says = Naming(ANN, EventUid("e"), NOW, "Acme", "qq.com")

    (company,) = rolled_up([], [says]).values()

    assert (company.name, company.domain) == ("Acme", None)


@given(st.lists(mailboxes, max_size=6), st.lists(namings, max_size=8, unique_by=lambda each: each.uid), st.randoms())
def test_the_order_in_which_it_is_told_does_not_matter(
    boxes: list[Mailbox], says: list[Naming], random: "st.DataObject"
) -> None:
    """Whatever is told first, the same companies have the same people for the same reasons."""
    shuffled = sorted(boxes, key=lambda _: random.random()), sorted(says, key=lambda _: random.random())  # type: ignore[attr-defined] # a Random

    once, again = rolled_up(boxes, says), rolled_up(*shuffled)

    assert {each.id: (each.names, {**each.members}) for each in once.values()} == {
        each.id: (each.names, {**each.members}) for each in again.values()
    }


@given(st.lists(st.integers(0, 100), max_size=40))
def test_contributions_sum_up_to_the_base(scores: list[int]) -> None:
    """Each of the people adds what those before him leave, so that nobody counts twice."""
    judged = company_intent.judge(
        {PersonId(IdentifierId(str(place))): active(score) for place, score in enumerate(scores)}, RULES
    )

    assert sum(each.points for each in judged.contributions) == pytest.approx(judged.base)
    assert 0 <= judged.score <= 100
    assert judged.score >= max(scores, default=0)


def test_more_people_who_count_are_worth_more_than_one() -> None:
    alone = company_intent.judge({ANN: active(40)}, RULES)
    together = company_intent.judge({ANN: active(40), BEN: active(10)}, RULES)

    assert (alone.score, alone.bonus, alone.people) == (40, 0, 1)
    assert (together.score, together.bonus, together.people) == (49, 3, 2)


def test_a_surge_is_told_by_poisson_against_the_weeks_before() -> None:
    steady = company_intent.judge({ANN: active(1, 4, *[4] * 8)}, RULES).surge
    surging = company_intent.judge({ANN: active(1, 9, *[4] * 8)}, RULES).surge
    new = company_intent.judge({ANN: active(1, 2)}, RULES).surge

    assert (steady.ratio, steady.z, steady.is_surging) == (1.0, 0.0, False)
    assert (surging.ratio, surging.z, surging.is_surging) == (2.25, 2.5, True)
    assert (new.expected, new.ratio, new.z) == (0.0, None, 1.0)


def test_rules_that_are_none_are_refused_by_name() -> None:
    with pytest.raises(InvalidSetting, match="intent"):
        company_intent.read("[intent]\npeople_max = 0")
