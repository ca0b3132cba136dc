"""Keys with names, roles, expiry and rotation; console sessions; by which session somebody looked.

A key that a browser holds keeps the right to write events and loses any other that it was given: everybody can read it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("api_key", sa.Column("role", sa.Text))
    op.add_column("api_key", sa.Column("name", sa.Text))
    op.add_column(
        "api_key", sa.Column("prefix", sa.Text, comment="how its secret begins; NULL: made before that was kept")
    )
    op.add_column("api_key", sa.Column("created_by", sa.Text, comment="NULL: made before that was kept"))
    op.add_column("api_key", sa.Column("expires_at", sa.DateTime(timezone=True)))
    op.add_column("api_key", sa.Column("last_used_at", sa.DateTime(timezone=True), comment="a minute late at most"))
    op.add_column("api_key", sa.Column("former_hash", sa.LargeBinary, comment="of the secret before this one"))
    op.add_column(
        "api_key", sa.Column("former_until", sa.DateTime(timezone=True), comment="until when that opens it too")
    )
    op.execute("UPDATE api_key SET name = source")
    op.alter_column("api_key", "name", nullable=False)
    op.alter_column("api_key", "scopes", comment="besides those of its role")
    op.create_unique_constraint(op.f("api_key_former_hash_key"), "api_key", ["former_hash"])
    op.execute(
        "UPDATE api_key SET scopes = ARRAY(SELECT unnest(scopes) INTERSECT SELECT 'events:write') WHERE trust = 'browser'"
    )
    op.create_check_constraint(
        op.f("api_key_browser_keys_only_write_check"),
        "api_key",
        "trust <> 'browser' OR (role IS NULL AND scopes <@ ARRAY['events:write'])",
    )
    op.create_table(
        "console_session",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False, comment="of the random value in the cookie"),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column(
            "proof",
            sa.LargeBinary,
            nullable=False,
            comment="of the secret it was opened with, under that random value",
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False, comment="a minute late at most"),
        sa.PrimaryKeyConstraint("id", name=op.f("console_session_pkey")),
        sa.UniqueConstraint("hash", name=op.f("console_session_hash_key")),
    )
    op.create_index("console_session_key_idx", "console_session", ["key_id"])
    op.add_column("audit", sa.Column("session", sa.Text, comment="of the console, by which; NULL: by the key itself"))
    op.add_column("audit", sa.Column("person_id", sa.Uuid, comment="at whom; NULL: at several, or at none"))
    op.create_index("audit_at_idx", "audit", ["at", "id"])
    op.create_index("audit_key_idx", "audit", ["key", "id"])
    op.create_index("audit_what_idx", "audit", ["what", "id"])
    op.create_index("audit_person_idx", "audit", ["person_id", "id"])


def downgrade() -> None:
    """Take this revision back: sessions are over, and what keys had besides scopes is forgotten."""
    op.drop_index("audit_person_idx", "audit")
    op.drop_index("audit_what_idx", "audit")
    op.drop_index("audit_key_idx", "audit")
    op.drop_index("audit_at_idx", "audit")
    op.drop_column("audit", "person_id")
    op.drop_column("audit", "session")
    op.drop_table("console_session")
    op.drop_constraint(op.f("api_key_browser_keys_only_write_check"), "api_key")
    op.drop_constraint(op.f("api_key_former_hash_key"), "api_key")
    op.alter_column("api_key", "scopes", comment=None)
    for column in ("former_until", "former_hash", "last_used_at", "expires_at", "created_by", "prefix", "name", "role"):
        op.drop_column("api_key", column)
