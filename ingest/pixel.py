"""A picture of one point, which nobody sees: to fetch it is to say something."""

from base64 import b64decode
from typing import Any

PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_CONTENT = {"image/gif": {"schema": {"type": "string", "contentMediaType": "image/gif"}}}

PICTURE: dict[int | str, dict[str, Any]] = {200: {"description": "A picture of one point", "content": _CONTENT}}
LOST_PICTURE: dict[int | str, dict[str, Any]] = {
    503: {"description": "The same, and we have nothing", "content": _CONTENT}
}
