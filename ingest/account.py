"""An account at a platform, as the channels file writes it: what is secret may also stand in a file of its own."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


class Account(BaseModel):
    """What every account has in common. Each field `x` may be written as `x_file`, which names a file that holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def path(self, family: str, name: str) -> str:
        """Return where this account, *name* among those of its *family*, is reached below the public address.

        A family that is reached elsewhere says so by one of its own.
        """
        return f"/collect/{family}/{name}"

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, written: Any) -> Any:
        if not isinstance(written, dict):
            return written
        return dict(_read(name, value) if _is_file(cls, name) else (name, value) for name, value in written.items())


def _is_file(model: type[BaseModel], name: str) -> bool:
    return name.endswith("_file") and name not in model.model_fields


def _read(name: str, path: object) -> tuple[str, str]:
    try:
        return name.removesuffix("_file"), Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{name} names a file that cannot be read") from None
