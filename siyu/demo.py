"""Sample data: two months of one brand's private domain, invented, with the shape of what real ones show.

Nobody in it exists. The articles travel as real posts do: about 0.36 readers brought per reader, each generation a
third of the one before, most of it by a few, half of all reads within five hours and 79 % within a day. In between lie
the cases that make stitching hard: cookies whose names come late, a tablet that many use, text messages that are passed
on, phones that change hands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, log

from siyu.cast import ARTICLES, COLLEAGUE, CROWD, FOLLOWERS, MINI, NEWS, READERS, SERVICE, THE_LEAD, Article, Person
from siyu.story import Story

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

ARTICLE = ARTICLES[0].id
"""The article that the lead came by."""

LEAD = THE_LEAD.phone
"""The lead: known by a phone, and met on an ad, an article, mail, SMS, two WeChat accounts, WeCom and a fair."""

BRAND = "样例科技"

_READS_PER_ARTICLE = 400
_BROUGHT = 0.37
_BY_THE_SAME = 0.6
_MEDIAN_SECONDS = 5 * 3_600
_SPREAD = log(24 / 5) / 0.806
"""Of a log-normal delay with a median of 5 hours and 79 % below 24: 0.806 is the 79th percentile of N(0, 1)."""

_REGIONS = ("广东", "浙江", "江苏", "上海", "北京", "四川", "湖北", "福建")
_SCENES = ("friend", "group", "moments")
_STAFF = {"staff": "样例销售一组"}
_SKUS = (("SKU-STARTER", 9_900), ("SKU-TEAM", 129_000), ("SKU-YEAR", 498_000))


@dataclass(frozen=True, slots=True)
class _Arrival:
    """*person* read at *at*, by the link of *sharer* (`None`: by no link)."""

    person: Person
    at: datetime
    sharer: "_Arrival | None"


def events(seed: int = 7, now: datetime = NOW) -> Iterator[dict[str, object]]:
    """Yield some 5,000 events of the 60 days before *now*, in the order of time, in the shape of `POST /v1/events`.

    The same *seed* and *now* give the same events. Ids depend on *seed* only: loading again tomorrow doubles nothing.
    """
    story = Story(seed, now)
    for chapter in _CHAPTERS:
        chapter(story)
    for _, _, event in sorted(story.told, key=lambda told: told[:2]):
        yield event


def _following(story: Story) -> None:
    for person in CROWD:
        at = story.ago(story.random.uniform(36, 59))
        for account in _accounts(person):
            who = [person.openid(account)] + ([person.unionid] if person.number % 2 == 0 else [])
            story.tell(at, "official_account.followed", "official_account", who, _strength(who))
            at = story.later(at, 1, 200)
    for person in story.some(CROWD[:FOLLOWERS], 9):
        at = story.later(story.ago(8), 1, 47)
        story.tell(at, "official_account.unfollowed", "official_account", [person.openid(NEWS)])


def _articles(story: Story) -> None:
    for article in ARTICLES:
        pushed_at = story.ago(article.days_ago)
        for person in CROWD[:FOLLOWERS]:
            to = _in_role(person.openid(NEWS), "recipient")
            at = story.later(pushed_at, 0, 0.05)
            story.tell(at, "article.pushed", "official_account", [to], article=article.told)
        arrivals = _arrivals(story, pushed_at)
        for arrival in arrivals:
            _read(story, article, arrival)
        for sharer, at in _shares(arrivals):
            _share(story, article, sharer, at)


def _arrivals(story: Story, pushed_at: datetime) -> list[_Arrival]:
    """Let an article travel: some come by somebody's link, most often by one that others came by already.

    That rich links get richer is what gives a few people most of the spread, as in real cascades.
    """
    dice = story.random
    followers, others = story.some(CROWD[:FOLLOWERS], FOLLOWERS), story.some(CROWD[FOLLOWERS:], READERS)
    arrivals: list[_Arrival] = []
    opened: list[_Arrival] = []
    for at in _moments(story, pushed_at):
        sharer = None
        if arrivals and dice.random() < _BROUGHT:
            sharer = dice.choice(opened if opened and dice.random() < _BY_THE_SAME else arrivals)
            opened.append(sharer)
        is_follower = dice.random() < (0.15 if sharer else 0.65)
        arrivals.append(_Arrival((followers if is_follower and followers else others or followers).pop(), at, sharer))
    return arrivals


def _shares(arrivals: Sequence[_Arrival]) -> Iterator[tuple[_Arrival, datetime]]:
    """Who passed the article on, and when: minutes after reading it, before the first reader came by it."""
    opened_at: dict[Person, datetime] = {}
    for arrival in arrivals:
        if arrival.sharer and arrival.sharer.person not in opened_at:
            opened_at[arrival.sharer.person] = arrival.at
            yield arrival.sharer, arrival.sharer.at + min((arrival.at - arrival.sharer.at) / 2, timedelta(minutes=4))


def _moments(story: Story, pushed_at: datetime) -> list[datetime]:
    """When an article is read, in order; what would lie after now is drawn again."""
    longest = (story.now - pushed_at).total_seconds()
    found: list[datetime] = []
    while len(found) < _READS_PER_ARTICLE:
        seconds = _MEDIAN_SECONDS * exp(story.random.gauss(0, _SPREAD))
        if seconds < longest:
            found.append(pushed_at + timedelta(seconds=seconds))
    return sorted(found)


def _read(story: Story, article: Article, arrival: _Arrival) -> None:
    who, came_by = _on_the_page(arrival.person), _came_by(article, arrival)
    share = {"token": came_by, "scene": story.random.choice(_SCENES)} if came_by else {}
    story.tell(arrival.at, "article.read", "h5", who, article=article.told, share=share, properties=_attention(story))
    if arrival.person.number % 4 == 0:
        again = story.later(arrival.at, 3, 90)
        story.tell(again, "article.read", "h5", who, article=article.told, properties=_attention(story))


def _share(story: Story, article: Article, sharer: _Arrival, at: datetime) -> None:
    links = {"token": _token(article, sharer.person), "parent_token": _came_by(article, sharer)}
    share = links | {"scene": story.random.choice(_SCENES)}
    story.tell(at, "article.shared", "h5", _on_the_page(sharer.person), article=article.told, share=share)


def _late_logins(story: Story) -> None:
    """Readers who were only a cookie say who they are, days after; a third never does."""
    for person in CROWD[FOLLOWERS:]:
        at = story.ago(story.random.uniform(0.2, 30))
        page = {"url": "https://h5.example.com/contact", "title": "联系我们"}
        if person.number % 3 == 0:
            silent = [person.openid(NEWS), person.cookie]
            story.tell(at, "page.viewed", "h5", silent, properties=page)
        if person.number % 9 in (0, 1):
            _fill_form(story, person, story.later(at, 0.1, 2))


def _fill_form(story: Story, person: Person, at: datetime) -> None:
    traits = {"form": "资料下载", "name": person.name, "region": story.random.choice(_REGIONS)}
    who = [person.phone, person.email, person.cookie]
    company = {"name": person.company[0], "domain": person.host} if person.company else None
    story.tell(at, "form.submitted", "h5", who, "declared", properties=traits, company=company)
    consent = {"channel": "sms", "purpose": "marketing"}
    story.tell(at, "consent.given", "h5", [person.phone], "declared", properties=consent)


def _text_messages(story: Story) -> None:
    """A campaign by SMS. Every fifth link is opened, every third of those once more, by somebody it was sent on to."""
    campaign = {"id": "c-sms-autumn", "source": "sms", "medium": "sms", "name": "秋季回访短信"}
    for person in story.some(CROWD, 230):
        sent_at = story.later(story.ago(16), 0, 2)
        to = _in_role(person.phone, "recipient")
        token = f"l-sms-{person.number:04d}"
        outcome = "sms.failed" if person.number % 25 == 0 else "sms.delivered"
        said = {"text": f"【{BRAND}】秋季选型指南已更新，点击查看，回 TD 退订"}
        story.tell(sent_at, "sms.sent", "sms", [to], campaign=campaign, properties=said)
        story.tell(story.later(sent_at, 0.001, 0.02), outcome, "sms", [to], campaign=campaign)
        if outcome == "sms.delivered" and story.random.random() < 0.2:
            _open_link(story, token, person, sent_at)
    for person in story.some(CROWD, 4):
        story.tell(story.ago(15), "sms.opted_out", "sms", [person.phone], properties={"text": "TD"})


def _open_link(story: Story, token: str, person: Person, sent_at: datetime) -> None:
    to, hint = _in_role(person.phone, "recipient"), f"link_token@sms-sample:{token}"
    at = story.later(sent_at, 0.1, 20)
    if story.random.random() < 0.1:
        scanner = {"bot": True, "reason": "scanner"}
        story.tell(sent_at + timedelta(seconds=2), "sms.clicked", "sms", [hint, to], properties=scanner)
    story.tell(at, "sms.clicked", "sms", [person.cookie, hint, to])
    if story.random.random() < 0.35:
        stranger = f"anonymous_id@h5-sample:c-forwarded-{person.number:04d}"
        story.tell(story.later(at, 0.5, 30), "sms.clicked", "sms", [stranger, hint, to])


def _mails(story: Story) -> None:
    campaign = {"id": "c-mail-cases", "source": "newsletter", "medium": "email", "name": "十一月案例通讯"}
    for person in story.some(CROWD, 170):
        at = story.later(story.ago(12), 0, 3)
        to = _in_role(person.email, "recipient")
        story.tell(at, "mail.sent", "mail", [to], campaign=campaign)
        if person.number % 30 == 0:
            story.tell(story.later(at, 0, 0.1), "mail.bounced", "mail", [to], campaign=campaign)
            continue
        story.tell(story.later(at, 0, 0.1), "mail.delivered", "mail", [to], campaign=campaign)
        if story.random.random() < 0.35:
            story.tell(story.later(at, 0.2, 40), "mail.opened", "mail", [to], campaign=campaign)
        if story.random.random() < 0.1:
            hint = f"link_token@mail-sample:l-mail-{person.number:04d}"
            story.tell(story.later(at, 1, 48), "mail.clicked", "mail", [person.cookie, hint, to], campaign=campaign)
    for person in story.some(CROWD, 3):
        story.tell(story.ago(11), "mail.unsubscribed", "mail", [person.email])


def _ads(story: Story) -> None:
    campaign = {"id": "c-ad-launch", "source": "sample-ads", "medium": "cpc", "name": "新品上市信息流"}
    for person in story.some(CROWD[FOLLOWERS:], 220):
        at = story.ago(story.random.uniform(9, 50))
        device = f"device_id@oaid:sample-oaid-{person.number:04d}"
        story.tell(at, "ad.impression", "ads", [device], campaign=campaign)
        if story.random.random() < 0.35:
            clicked = [person.cookie, device, f"click_id@sample-ads:k-{person.number:04d}"]
            story.tell(story.later(at, 0.001, 0.02), "ad.clicked", "ads", clicked, campaign=campaign)
            story.tell(story.later(at, 0.02, 0.05), "page.viewed", "h5", [person.cookie], properties={"title": "产品"})
        if story.random.random() < 0.08:
            story.tell(story.later(at, 0.1, 1), "ad.lead", "ads", [person.phone, device], "declared", campaign=campaign)


def _mini_program(story: Story) -> None:
    """The platform names openid and unionid together, which is what joins the two accounts."""
    for person in story.some([person for person in CROWD if person.number % 2 == 0], 120):
        at = story.ago(story.random.uniform(1, 40))
        who = [person.openid(MINI), person.unionid]
        story.tell(at, "mini_program.opened", "mini_program", who, "platform", properties={"scene": 1007})
        paged = {"path": "pages/catalog/index"}
        story.tell(story.later(at, 0.01, 0.1), "mini_program.paged", "mini_program", who, "platform", properties=paged)


def _orders(story: Story) -> None:
    for number, person in enumerate(story.some(CROWD, 75)):
        for turn in range(1 + (number % 5 == 0) + (number % 15 == 0)):
            sku, amount = story.random.choices(_SKUS, (6, 3, 1))[0]
            at = story.ago(story.random.uniform(1, 50))
            who = [f"shop_customer_id@shop-sample:s-{person.number:04d}", person.phone]
            order = {"id": f"o-{person.number:04d}-{turn}", "amount": amount, "items": [{"sku": sku, "quantity": 1}]}
            story.tell(at, "order.placed", "shop", who, "proven", order=order)
            if number % 12:
                story.tell(story.later(at, 0.01, 0.5), "order.paid", "shop", who, "proven", order=order)
            if number % 20 == 7:
                story.tell(story.later(at, 30, 90), "order.refunded", "shop", who, "proven", order=order)


def _sales(story: Story) -> None:
    for person in story.some([person for person in CROWD if person.number % 2 == 0], 45):
        at = story.ago(story.random.uniform(1, 30))
        who = [f"wecom_external_userid@corp-sample:wm-sample-{person.number:04d}", person.unionid]
        story.tell(at, "wecom.contact_added", "wecom", who, "platform", properties=_STAFF)


def _fair(story: Story) -> None:
    """A fair with one tablet: four visitors log in on it, and it belongs to none of them."""
    tablet = "anonymous_id@h5-sample:c-kiosk-01"
    opened_at = story.ago(26)
    for person in story.some(CROWD[:FOLLOWERS], 40):
        code = {"place": "样例展会 A12"}
        story.tell(
            story.later(opened_at, 0, 8), "offline.checked_in", "offline", [person.openid(NEWS)], properties=code
        )
    for hours, person in enumerate(story.some(CROWD[:FOLLOWERS], 4)):
        at = opened_at + timedelta(hours=hours + 1)
        story.tell(at, "article.read", "h5", [tablet], article=ARTICLES[0].told, properties=_attention(story))
        login = [_account(person), person.openid(NEWS), tablet]
        story.tell(story.later(at, 0.05, 0.2), "identify", "h5", login, "proven", properties={"name": person.name})


def _recycled_phones(story: Story) -> None:
    """Six numbers change hands: an old customer gave each of them long ago, a new one gives it now."""
    for old, new in zip(CROWD[:6], CROWD[500:506], strict=True):
        phone = f"phone:+86139010{old.number + 8_000:05d}"
        for person, days in ((old, 57), (new, 9)):
            at = story.later(story.ago(days), 0, 24)
            story.tell(at, "identify", "h5", [_account(person), phone], "declared", properties={"name": person.name})


def _consents(story: Story) -> None:
    for person in story.some(CROWD[:FOLLOWERS], 120):
        at = story.ago(story.random.uniform(2, 35))
        consent = {"channel": "official_account", "purpose": "marketing"}
        story.tell(at, "consent.given", "official_account", [person.openid(NEWS)], properties=consent)
        if person.number % 12 == 0:
            back = story.later(at, 10, 300)
            story.tell(back, "consent.withdrawn", "official_account", [person.openid(NEWS)], properties=consent)


def _the_lead(story: Story) -> None:
    """One buyer's way: an ad, a colleague's link, a form, a follower at last, a fair, SMS, mail, a salesman."""
    guide, tell, ago = ARTICLES[0], story.tell, story.ago
    _lead_reads(story, guide)
    _fill_form(story, COLLEAGUE, ago(30))
    _fill_form(story, THE_LEAD, ago(29))
    known = {"name": "样例林经理", "title": "采购经理", "region": "浙江"}
    tell(
        ago(28.9), "form.submitted", "h5", [LEAD, THE_LEAD.email], "declared", properties={"form": "预约演示", **known}
    )
    tell(
        ago(27), "official_account.followed", "official_account", [THE_LEAD.openid(NEWS), THE_LEAD.unionid], "platform"
    )
    again = [THE_LEAD.openid(NEWS), THE_LEAD.cookie]
    tell(ago(26.9), "article.read", "h5", again, article=guide.told, properties=_attention(story))
    tell(ago(26), "offline.checked_in", "offline", [LEAD], properties={"place": "样例展会 A12"})
    _lead_is_written_to(story)
    tell(ago(6), "mini_program.opened", "mini_program", [THE_LEAD.openid(MINI), THE_LEAD.unionid], "platform")
    pricing = {"title": "价格", "url": "https://h5.example.com/pricing"}
    tell(ago(4), "page.viewed", "h5", [THE_LEAD.cookie], properties=pricing)
    wecom = "wecom_external_userid@corp-sample:wm-sample-lead"
    tell(ago(3), "wecom.contact_added", "wecom", [wecom, THE_LEAD.unionid, LEAD], "proven", properties=_STAFF)
    tell(ago(1), "support.opened", "wecom", [wecom], properties={"subject": "报价与交付周期"})


def _lead_reads(story: Story, guide: Article) -> None:
    ad, clicked = {"id": "c-ad-launch", "source": "sample-ads"}, [THE_LEAD.cookie, "click_id@sample-ads:k-lead"]
    story.tell(story.ago(41), "ad.clicked", "ads", clicked, campaign=ad)
    story.tell(story.ago(40.9), "page.viewed", "h5", [THE_LEAD.cookie], properties={"title": "产品"})
    pushed_at = story.ago(guide.days_ago)
    first = _Arrival(COLLEAGUE, pushed_at + timedelta(hours=1), None)
    second = _Arrival(THE_LEAD, pushed_at + timedelta(hours=3), first)
    for arrival in (first, second):
        _read(story, guide, arrival)
        _share(story, guide, arrival, arrival.at + timedelta(minutes=4))


def _lead_is_written_to(story: Story) -> None:
    for channel, days, address in (("sms", 16, LEAD), ("mail", 12, THE_LEAD.email)):
        to, hint = _in_role(address, "recipient"), f"link_token@{channel}-sample:l-{channel}-lead"
        story.tell(story.ago(days), f"{channel}.delivered", channel, [to])
        story.tell(story.ago(days - 0.2), f"{channel}.clicked", channel, [THE_LEAD.cookie, hint, to])


_CHAPTERS = (
    _following,
    _articles,
    _late_logins,
    _text_messages,
    _mails,
    _ads,
    _mini_program,
    _orders,
    _sales,
    _fair,
    _recycled_phones,
    _consents,
    _the_lead,
)


def _accounts(person: Person) -> list[str]:
    return [NEWS] * person.follows_news + [SERVICE] * person.follows_service


def _account(person: Person) -> str:
    return f"user_id@crm-sample:U{person.number:04d}"


def _strength(who: Sequence[object]) -> str:
    return "platform" if len(who) > 1 else "observed"


def _on_the_page(person: Person) -> list[str]:
    """A follower's openid comes with the page; of others it sees a cookie."""
    return [person.openid(NEWS), person.cookie] if person.follows_news else [person.cookie]


def _came_by(article: Article, arrival: _Arrival) -> str | None:
    return _token(article, arrival.sharer.person) if arrival.sharer else None


def _token(article: Article, person: Person) -> str:
    return f"s-{article.id}-{person.number:04d}"


def _attention(story: Story) -> dict[str, object]:
    """How long and how far somebody read."""
    return {
        "dwell_ms": int(1_000 * story.random.lognormvariate(4, 0.8)),
        "scroll": round(story.random.betavariate(3, 1.5), 2),
    }


def _in_role(written: str, role: str) -> dict[str, str]:
    """The identifier *written* as text, in another role than its usual one."""
    slot, _, value = written.partition(":")
    namespace, _, scope = slot.partition("@")
    return {"namespace": namespace, "scope": scope, "value": value, "role": role}
