"""Alerts reach the robots of group chats, signed as each platform asks, at least once, and tell nobody's name in full."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.responses import JSONResponse, Response
from typer.testing import CliRunner

from core import outbox
from core.database import transaction
from core.directive import Kind as Decision
from core.errors import InvalidSetting, Overloaded, Unavailable
from core.log.port import INTENT_ALERT
from core.outbox import Announcement
from ingest.pace import Bucket
from profiles import intent, leads, traits
from profiles.segments.judging import Rules
from profiles.segments.watching import Watch
from siyu import alerting, group_robots
from siyu.__main__ import app
from siyu.alerting import Alerting
from siyu.group_robots import GroupRobot, Kind
from tests.api.world import NOW, World
from tests.ingest.loopback import listening
from tests.siyu.group_robot import SECRET, TOKEN, Group, words
from tests.siyu.test_end_to_end import wait_until

A, B = "user_id:ann", "user_id:bert"
URLS = {
    Kind.WECOM: f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={TOKEN}",
    Kind.DINGTALK: f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}",
    Kind.FEISHU: f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}",
}
LABELS = {name: rule.labels for name, rule in intent.shipped().items()}


@dataclass
class Scene:
    """A group with robots, the database whose outbox they read, and a clock."""

    engine: Engine
    group: Group
    address: str
    world: World
    now: datetime = NOW
    numbers: "count[int]" = field(default_factory=count)

    def robot(self, kind: Kind = Kind.WECOM, **fields: Any) -> Alerting:
        """Return what tells a robot of *kind*, which heard of everything until now."""
        secret = {} if kind is Kind.WECOM else {"secret": SECRET}
        robot = GroupRobot(**{"kind": kind, "url": URLS[kind], "api_url": self.address, **secret, **fields})
        told = Alerting(kind, robot, self.engine, LABELS, lambda: self.now, Bucket(1_000, 1_000), 0.01)
        told.drain()
        return told

    def announce(self, *scores: int, who: str = A, direction: str = "up", at: datetime = NOW) -> None:
        """Announce that somebody's score came to each of *scores*, in one transaction."""
        person = self.world.person(who)
        values = [
            {
                "person_id": person,
                "score": score,
                "threshold": 60,
                "direction": direction,
                "contributions": [{"rule": "left_his_name", "points": 34.6}, {"rule": "clicked", "points": 8}],
                "as_of": NOW.isoformat(),
            }
            for score in scores
        ]
        with transaction(self.engine) as connection:
            outbox.enqueue(
                connection,
                [
                    Announcement(INTENT_ALERT, person, f"a{next(self.numbers)}", "intent.alert", at, value)
                    for value in values
                ],
            )

    @property
    def read(self) -> list[str]:
        """What people in the group read."""
        return [words(message) for message in self.group.taken]


@pytest.fixture
def scene(engine: Engine) -> Iterator[Scene]:
    group = Group(now=NOW.timestamp)
    world = World(engine)
    world.happens(A, type="form.submitted", properties={"name": "王小明"}, company={"name": "Acme"})
    with listening(group.app) as address:
        yield Scene(engine, group, address, world)


@pytest.mark.parametrize("kind", Kind)
def test_an_alert_is_signed_and_read_in_the_group(kind: Kind, scene: Scene) -> None:
    robot = scene.robot(kind)

    scene.announce(78)
    sent = robot.drain()

    assert (sent, robot.drain()) == (1, 0)
    (told,) = scene.read
    assert "意向提醒" in told
    assert "王 的意向升至 78 分，超过 60 分" in told
    assert "公司：Acme" in told
    assert "留资 +35 · 点击短信或邮件链接 +8" in told
    assert "小明" not in told


def test_an_alert_may_be_told_in_english(scene: Scene) -> None:
    robot = scene.robot(language="en")

    scene.announce(78)
    robot.drain()

    assert "rose to 78, above 60" in scene.read[0]
    assert "left his name +35" in scene.read[0]


@pytest.mark.parametrize("kind", [Kind.DINGTALK, Kind.FEISHU])
def test_a_message_has_the_keyword_of_its_robot(kind: Kind, scene: Scene) -> None:
    robot = scene.robot(kind, keyword="四域")

    scene.announce(78)
    robot.drain()

    assert "四域 意向提醒" in scene.read[0]


@pytest.mark.parametrize("kind", [Kind.DINGTALK, Kind.FEISHU])
def test_what_a_robot_refuses_is_left_out_and_holds_up_nothing(kind: Kind, scene: Scene) -> None:
    robot = scene.robot(kind, secret="SECwrong")
    scene.announce(78)

    robot.drain()

    assert scene.read == []
    assert robot.drain() == 0


@pytest.mark.parametrize("kind", Kind)
def test_who_does_not_answer_is_asked_again(kind: Kind, scene: Scene) -> None:
    robot = scene.robot(kind)
    scene.group.failures += [Response(status_code=502), JSONResponse({"errcode": -1, "code": -1})]
    scene.announce(78)

    robot.drain()

    assert len(scene.read) == 1


def test_an_alert_stays_until_the_robot_answers_and_is_old_news_after_a_day(scene: Scene) -> None:
    robot = scene.robot()
    scene.announce(78)
    scene.group.failures += [Response(status_code=503)] * 5

    with pytest.raises(Unavailable):
        robot.drain()
    assert robot.drain() == 1

    scene.announce(79)
    scene.now += timedelta(days=1, seconds=1)
    assert robot.drain() == 0


@pytest.mark.parametrize(("kind", "code"), [(Kind.WECOM, 45009), (Kind.DINGTALK, 130101), (Kind.FEISHU, 11232)])
def test_a_robot_that_hears_too_much_is_left_alone_for_a_while(kind: Kind, code: int, scene: Scene) -> None:
    robot = scene.robot(kind)
    scene.group.failures.append(JSONResponse({"errcode": code, "code": code}))
    scene.announce(78)

    with pytest.raises(Overloaded) as caught:
        robot.drain()

    assert caught.value.retry_after_seconds == 60
    assert robot.drain() == 1


def test_many_alerts_are_few_messages(scene: Scene) -> None:
    robot = scene.robot()

    scene.announce(*range(60, 85))
    robot.drain()

    assert [told.count("的意向升至") for told in scene.read] == [10, 10, 5]


def test_a_robot_hears_of_what_it_wants(scene: Scene) -> None:
    robot, faller = scene.robot(threshold=80), scene.robot(Kind.FEISHU, falls=True, threshold=90)

    scene.announce(79, 80)
    scene.announce(20, direction="down")
    robot.drain()
    faller.drain()

    rose, fell = scene.read
    assert "升至 80" in rose
    assert "79" not in rose
    assert "降至 20" in fell


def test_a_robot_that_is_new_hears_nothing_of_before(scene: Scene) -> None:
    scene.announce(78)

    robot = scene.robot()

    assert robot.drain() == 0
    assert scene.read == []


def test_names_from_outside_mark_nothing_up_and_mention_nobody(scene: Scene) -> None:
    evil = "[pay](https://evil.example) <@all> **now** " + "x" * 99
    scene.world.happens(B, type="form.submitted", properties={"name": "#<@all>"}, company={"name": evil})
    robot = scene.robot()

    scene.announce(78, who=B)
    robot.drain()

    (told,) = scene.read
    assert not {"<@", "[pay]", "](", "**now"} & {part for part in ("<@", "[pay]", "](", "**now") if part in told}
    assert "x" * 40 not in told


def test_an_alert_leads_to_who_bears_the_id_now(scene: Scene) -> None:
    scene.world.happens(B)
    robot = scene.robot()
    scene.announce(78, who=B)
    scene.world.decide(Decision.MUST_LINK, A, B)

    robot.drain()

    assert "Acme" in scene.read[0]


def test_what_was_taken_before_an_outage_is_not_sent_again(scene: Scene) -> None:
    robot = scene.robot()
    for score in range(70, 70 + 2 * alerting.ALERTS_MAX):
        scene.announce(score)
    scene.group.failures += [None, *[Response(status_code=503)] * 5]

    with pytest.raises(Unavailable):
        robot.drain()
    robot.drain()

    assert [told.count("的意向升至") for told in scene.read] == [10, 10]
    assert "升至 80" in scene.read[1]


def test_the_alerts_of_one_transaction_are_passed_when_all_of_them_are_told(scene: Scene) -> None:
    robot = scene.robot()
    scene.announce(*range(70, 70 + 2 * alerting.ALERTS_MAX))
    scene.group.failures += [None, *[Response(status_code=503)] * 5]

    with pytest.raises(Unavailable):
        robot.drain()
    robot.drain()

    assert ["升至 70" in told for told in scene.read] == [True, True, False]


def test_a_robot_that_is_declared_no_more_holds_up_nothing(scene: Scene) -> None:
    robot, other = scene.robot(), scene.robot(Kind.FEISHU)

    with transaction(scene.engine) as connection:
        alerting.forget_others(connection, [other.name])

        assert outbox.position(connection, robot.sink) == outbox.Cursor()
        assert outbox.position(connection, other.sink) != outbox.Cursor()


def test_other_announcements_are_passed_over(scene: Scene) -> None:
    robot = scene.robot()
    with transaction(scene.engine) as connection:
        outbox.enqueue(connection, [Announcement("siyu.profile.updated.v1", "k", "p1", "profile.updated", NOW, {})])
        outbox.enqueue(connection, [Announcement(INTENT_ALERT, "k", "p2", "intent.alert", NOW, {"score": "much"})])

    assert robot.drain() == 0


def test_robots_are_declared_in_a_file_and_their_secrets_may_stand_in_others(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URLS[Kind.DINGTALK])
    declared = tmp_path / "alerts.toml"
    declared.write_text(
        f'[robots.sales]\nkind = "dingtalk"\nurl_file = "{tmp_path}/url"\nsecret = "SEC1"\nthreshold = 70'
    )

    robot = group_robots.read(declared)["sales"]

    assert (robot.url, robot.secret, robot.threshold, robot.language) == (URLS[Kind.DINGTALK], "SEC1", 70, "zh")
    assert group_robots.read(None) == {}


@pytest.mark.parametrize(
    "fields",
    [
        'kind = "wecom"\nurl = "https://evil.example/cgi-bin/webhook/send?key=hidden"',
        'kind = "wecom"\nurl = "http://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hidden"',
        'kind = "wecom"\nurl = "https://qyapi.weixin.qq.com@evil.example/cgi-bin/webhook/send?key=hidden"',
        'kind = "dingtalk"\nurl = "https://oapi.dingtalk.com:8443/robot/send?access_token=hidden"',
        f'kind = "wecom"\nurl = "{URLS[Kind.WECOM]}"\nsecret = "hidden"',
        'kind = "slack"\nurl = "https://hooks.slack.com/hidden"',
    ],
)
def test_an_address_that_is_not_the_platforms_is_refused_without_telling_it(fields: str, tmp_path: Path) -> None:
    declared = tmp_path / "alerts.toml"
    declared.write_text(f"[robots.sales]\n{fields}")

    with pytest.raises(InvalidSetting, match="SIYU_ALERTS_FILE") as caught:
        group_robots.read(declared)

    assert "hidden" not in str(caught.value)


def test_a_robot_can_be_tried_out_from_the_command_line(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = tmp_path / "alerts.toml"
    declared.write_text(
        f'[robots.sales]\nkind = "dingtalk"\nurl = "{URLS[Kind.DINGTALK]}"\nsecret = "{SECRET}"\napi_url = "{scene.address}"'
    )
    monkeypatch.setenv("SIYU_ALERTS_FILE", str(declared))
    monkeypatch.setattr("siyu.commands.alerts.system_clock", lambda: NOW)

    listed, sent, unknown = (
        CliRunner().invoke(app, ["alerts", *words]) for words in (["list"], ["test", "sales"], ["test", "x"])
    )

    assert (listed.exit_code, sent.exit_code, unknown.exit_code) == (0, 0, 4)
    assert SECRET not in listed.output
    assert "this group will be told" in scene.read[0]

    scene.group.secret = "another"
    refused = CliRunner().invoke(app, ["alerts", "test", "sales"])

    assert refused.exit_code == 1
    assert "310000" in refused.output


def test_a_group_hears_while_siyu_runs_and_one_process_tells_it(scene: Scene) -> None:
    first, second = scene.robot(), scene.robot()
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=[stop]) for each in (first, second)]
    for thread in threads:
        thread.start()

    scene.announce(78)
    wait_until(lambda: bool(scene.read))
    scene.announce(79)
    wait_until(lambda: len(scene.read) == 2)
    stop.set()
    for thread in threads:
        thread.join(10)

    assert not any(thread.is_alive() for thread in threads)
    assert len(scene.read) == 2


def test_a_score_that_reaches_its_threshold_is_told_to_the_group_and_opens_a_lead(scene: Scene) -> None:
    robot = scene.robot()
    watch = Watch(scene.engine, Rules(intent.shipped(), traits.shipped()), [50], clock=lambda: NOW)
    watch.drain()

    scene.world.happens(A, type="support.opened", minute=1_400)
    scene.world.happens(A, type="order.placed", minute=1_401, order={"id": "o1", "amount": 100})
    watch.drain()
    robot.drain()

    (told,) = scene.read
    assert "超过 50 分" in told
    assert "Acme" in told
    with transaction(scene.engine) as connection:
        (lead,) = leads.listing(connection, leads.Wanted(is_open=True), None, 10)
    assert (lead.person, lead.opened_by, lead.status) == (scene.world.person(A), "intent", "new")
