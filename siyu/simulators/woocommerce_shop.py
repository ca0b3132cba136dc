"""A WooCommerce shop as those meet it who ask for its orders: `/wp-json/wc/v3/orders`."""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse


def _nothing() -> None:
    pass


@dataclass
class WooCommerceShop:
    """A shop with *orders* by their numbers, told to whoever has key and secret.

    *statuses* are what it answers first, instead; *on_page* is called after each page; *asked* is what it was asked.
    """

    consumer_key: str
    consumer_secret: str
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    on_page: Callable[[], None] = _nothing
    asked: list[Mapping[str, str]] = field(default_factory=list)

    def put(self, number: int, modified_at: str, **more: Any) -> dict[str, Any]:
        """Write down order *number*, as it is since *modified_at* (UTC, without a zone); return it as a webhook tells it."""
        before = {
            "id": number,
            "status": "pending",
            "currency": "CNY",
            "total": "129.10",
            "date_created_gmt": modified_at,
        }
        self.orders[number] = {**before, **self.orders.get(number, {}), "date_modified_gmt": modified_at, **more}
        return self.orders[number]

    def application(self) -> FastAPI:
        """Return the shop as an application."""
        app = FastAPI()

        @app.get("/wp-json/wc/v3/orders")
        async def orders(request: Request) -> Response:
            self.asked.append(dict(request.query_params))
            if self.statuses:
                return Response("not now", self.statuses.pop(0), headers={"retry-after": "120"})
            if not self._is_known(request.headers.get("authorization", "")):
                return JSONResponse({"code": "woocommerce_rest_cannot_view"}, 401)
            answer = self._page(request.query_params)
            self.on_page()
            return answer

        return app

    def _is_known(self, given: str) -> bool:
        pair = base64.b64encode(f"{self.consumer_key}:{self.consumer_secret}".encode()).decode()
        return hmac.compare_digest(given, f"Basic {pair}")

    def _page(self, asked: Mapping[str, str]) -> Response:
        after, size, number = asked["modified_after"], int(asked["per_page"]), int(asked["page"])
        found = [order for order in self.orders.values() if order["date_modified_gmt"] > after]
        found.sort(key=lambda order: (order["date_modified_gmt"], order["id"]))
        pages = -(-len(found) // size)
        headers = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(pages)}
        return JSONResponse(found[(number - 1) * size : number * size], headers=headers)
