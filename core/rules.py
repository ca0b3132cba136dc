"""Rules that an installation may replace: written in TOML, checked once when they are read."""

import tomllib
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from core.errors import InvalidSetting

T = TypeVar("T")


def read(rules: TypeAdapter[T], written: str, name: str) -> T:
    """Return the *rules* that are *written*. Raises `InvalidSetting`, which says of which (*name*), and names the first fault."""
    try:
        return rules.validate_python(tomllib.loads(written))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidSetting(f"{name}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"the {name} are not TOML: {error}") from None
