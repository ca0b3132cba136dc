"""Alembic's entry: runs the migrations on the connection that `core.database.upgrade` hands it."""

from alembic import context

from core.database import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=False
)
context.run_migrations()
