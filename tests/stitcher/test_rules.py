"""The rules as data: those shipped are those of docs/identity.md, and faulty ones are refused with the place of the fault."""

from dataclasses import fields
from importlib import resources

import pytest

from core.errors import InvalidSetting
from core.event import Strength, Trust
from stitcher import rules
from stitcher.rules import Rules

SHIPPED = resources.files("stitcher").joinpath("rules.toml").read_text(encoding="utf-8")


def test_the_shipped_rules_are_those_that_are_written_down() -> None:
    shipped = rules.shipped()
    table = {
        name: (n.rank, n.kind, n.exclusivity, n.limit_max)
        for name, n in shipped.namespaces.items()
        if n.kind == "strong"
    }

    assert table == {
        "user_id": (1, "strong", "unique", 1),
        "wechat_unionid": (2, "strong", "guarded", 3),
        "wecom_external_userid": (3, "strong", "guarded", 5),
        "member_id": (3, "strong", "guarded", 5),
        "shop_customer_id": (3, "strong", "guarded", 5),
        "wechat_openid": (4, "strong", "guarded", 3),
        "phone": (5, "strong", "owned", 3),
        "email": (6, "strong", "owned", 5),
    }
    assert {name for name, n in shipped.namespaces.items() if n.kind == "weak"} == {"anonymous_id", "device_id"}
    assert {name for name, n in shipped.namespaces.items() if n.kind == "hint"} == {
        "click_id",
        "link_token",
        "share_token",
    }
    assert {name for name, n in shipped.namespaces.items() if n.reassignable} == {"phone", "email"}
    assert (shipped.generic_owners_max, shipped.person_identifiers_max) == (20, 2_000)


def test_only_a_browser_is_not_vouched_for_and_proves_nothing() -> None:
    trust = rules.shipped().trust

    assert {name for name, standing in trust.items() if not standing.vouched} == {Trust.BROWSER}
    assert trust[Trust.BROWSER].ceiling == Strength.DECLARED
    assert set(trust) == set(Trust)


def test_reading_what_is_shipped_gives_what_is_shipped() -> None:
    assert rules.read(SHIPPED) == rules.shipped()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("generic_owners_max = 20", "generic_owners_max = 0"), "generic_owners_max"),
        (("generic_owners_max = 20", 'generic_owners_max = "many"'), "generic_owners_max"),
        (("generic_owners_max = 20", ""), "generic_owners_max"),
        (("generic_owners_max = 20", "generic_owner_max = 20\ngeneric_owners_max = 20"), "generic_owner_max"),
        (("person_identifiers_max = 2000", "person_identifiers_max = 1"), "person_identifiers_max"),
        (('weak_bridges = "complementing"', 'weak_bridges = "always"'), "weak_bridges"),
        (('kind = "weak"', 'kind = "feeble"'), "namespaces.anonymous_id.kind"),
        (("rank = 1,", "rang = 1,"), "namespaces.user_id"),
        (('exclusivity = "unique"', 'exclusivity = "sole"'), "namespaces.user_id.exclusivity"),
        (("vouched = false", "vouched = false\nvoucht = true"), "trust.browser"),
        (('ceiling = "declared"', 'ceiling = "directive"'), "trust.browser.ceiling"),
        (("[trust.browser]", "[trust.strangers]"), "trust"),
        (("rank = 1,", "rank = 0,"), "namespaces.user_id.rank"),
        (("limit_max = 1 }", "limit_max = 2 }"), "namespaces.user_id.limit_max"),
        (("limit_max = 3 }", "limit_max = 0 }"), "namespaces.wechat_unionid.limit_max"),
        (('kind = "weak" }', 'kind = "weak", exclusivity = "unique", limit_max = 1 }'), "namespaces.anonymous_id.excl"),
        (('ceiling = "declared"', 'ceiling = "proven"'), "trust.browser.ceiling"),
        (('default = "observed"\n\n[trust.server]', 'default = "platform"\n\n[trust.server]'), "trust.browser.default"),
        (('["user_id", "wechat_unionid"]', '["user_id", "cookie"]'), "generic_counted"),
        (("growth_identifiers_max = 50", "growth_identifiers_max = 1"), "growth_identifiers_max"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1].replace("\n", " "),
)
def test_a_fault_is_refused_and_named(change: tuple[str, str], named: str) -> None:
    assert change[0] in SHIPPED

    with pytest.raises(InvalidSetting, match=f"^rules: {named}"):
        rules.read(SHIPPED.replace(change[0], change[1], 1))


def test_every_rule_is_explained_and_can_be_written_out() -> None:
    shipped = rules.shipped()

    assert rules.plain(shipped).keys() == {f.name for f in fields(Rules)}
    assert rules.plain(shipped)["namespaces"]["phone"]["reassignable"] is True


@pytest.mark.parametrize("written", ["", "= ", "namespaces = 1", "[namespaces", "\x00"])
def test_what_are_no_rules_at_all_is_refused(written: str) -> None:
    with pytest.raises(InvalidSetting, match="rules"):
        rules.read(written)


@pytest.mark.parametrize("missing", ["browser", "server", "import"])
def test_rules_that_forget_a_kind_of_sender_are_refused(missing: str) -> None:
    """Otherwise the first event from such a sender would end the stitcher."""
    before, _, rest = SHIPPED.partition(f"[trust.{missing}]")
    without = before + rest[rest.index("\n[") :]

    with pytest.raises(InvalidSetting, match="trust"):
        rules.read(without)


def test_rules_that_forget_a_namespace_leave_it_on_the_event_unlinked() -> None:
    without = rules.read("\n".join(line for line in SHIPPED.splitlines() if not line.startswith("member_id")))

    assert "member_id" not in without.namespaces
