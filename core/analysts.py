"""The role of analysts' own tools: it reads the views of the schema `siyu`, and none of the tables that they are made of.

A view reads the tables as its owner, so whoever may read the one need not be let near the other. The role cannot log in:
those who can are made members of it.
"""

from sqlalchemy import Connection, text

from core.errors import Refused

ROLE = "siyu_analyst"
SCHEMA = "siyu"

_MADE = text(f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}')")  # noqa: S608 - no value in it
_MAY_MAKE = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")


def admit(connection: Connection) -> None:
    """Let the role read every view, those of later migrations too, and make it where the server has none yet.

    Harmless to repeat. Raises `Refused` where the role has to be made and the user of *connection* may make none.
    """
    if not connection.execute(_MADE).scalar_one():
        if not connection.execute(_MAY_MAKE).scalar_one():
            raise Refused(f"this user may make no roles; ask for it: CREATE ROLE {ROLE} NOLOGIN")
        connection.execute(text(f"CREATE ROLE {ROLE} NOLOGIN"))
    for statement in (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {ROLE}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {ROLE}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT SELECT ON TABLES TO {ROLE}",
    ):
        connection.execute(text(statement))
