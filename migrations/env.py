"""Run by Alembic: the history on the connection that store.schema hands over, in its transaction."""

from alembic import context

from tlsrpt_ingest.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
