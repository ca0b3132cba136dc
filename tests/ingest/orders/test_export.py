"""An export of orders, read by the mapping that the documentation shows."""

from pathlib import Path

from ingest.layout import Columns, read_layout
from stitcher.rules import shipped
from tests.conftest import ROOT


def test_the_documented_mapping_reads_amounts_in_yuan(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "channels" / "orders.md").read_text(encoding="utf-8")
    mapping = tmp_path / "orders.toml"
    mapping.write_text(page.rpartition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    header = ["订单号", "付款时间", "实付金额", "买家手机", "备注"]

    columns = Columns(header, read_layout(mapping), shipped().namespaces)
    document = columns.document(["o-1", "2026-11-03T20:41:07", "129.10", "13911112222", "-"])

    assert document["order"] == {"id": "o-1", "amount": "12910"}
    assert (document["type"], document["occurred_at"]) == ("order.paid", "2026-11-03T20:41:07+08:00")
