"""Siyu as it runs: an event comes, a score reaches its threshold, the group chat hears of it, and there is a lead."""

from datetime import UTC, datetime
from pathlib import Path

from tests.ingest.loopback import listening
from tests.siyu.group_robot import TOKEN, Group, words
from tests.siyu.test_cli import ADMIN_KEY, Siyu
from tests.siyu.test_end_to_end import served, wait_until


def test_a_form_reaches_the_group_and_is_a_lead_of_a_company(tmp_path: Path) -> None:
    group = Group()
    with listening(group.app) as address:
        declared = tmp_path / "alerts.toml"
        declared.write_text(
            f'[robots.sales]\nkind = "wecom"\nurl = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={TOKEN}"\n'
            f'api_url = "{address}"\n'
        )
        settings = {"SIYU_ADMIN_KEY": ADMIN_KEY, "SIYU_ALERTS_FILE": str(declared), "SIYU_INTENT_ALERTS": "30"}
        event = {
            "type": "form.submitted",
            "channel": "web",
            "occurred_at": datetime.now(UTC).isoformat(),
            "identifiers": ["email:ann@mail.acme.com"],
            "strength": "proven",
        }
        with Siyu(tmp_path, **settings) as siyu, served(siyu, "up") as (_, client):
            client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
            assert client.post("/v1/events", json=event).status_code == 202
            wait_until(lambda: bool(group.taken))
            (lead,) = client.get("/v1/leads", params={"open": True}).json()["data"]
            (company,) = client.get("/v1/companies").json()["data"]

    assert "35 分，超过 30 分" in words(group.taken[0])
    assert (lead["opened_by"], lead["intent"]["score"]) == ("intent", 35)
    assert (company["id"], company["intent"]["score"]) == ("acme.com", 35)
