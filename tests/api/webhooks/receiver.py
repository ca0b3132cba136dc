"""A receiver of webhooks on loopback: it verifies and reads what it is sent, as subscribers do, and answers as it is told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

Answer = Callable[[], tuple[int, Mapping[str, str]]]


@dataclass
class Receiver:
    """Keeps the CloudEvents that it was sent and that are signed by *secret*, and how many were not."""

    url: str = ""
    secret: str = ""
    answer: Answer = lambda: (204, {})
    events: list[Any] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    forged: int = 0

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        """Take one delivery, and return how it is answered."""
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            self.forged += 1
            return 401, {}
        self.ids.append(headers["webhook-id"])
        self.events.append(from_http_event(HTTPMessage(headers, body)))
        return self.answer()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen on loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
