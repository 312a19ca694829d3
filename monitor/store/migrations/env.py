"""Run by Alembic for every command. The caller hands its open connection over in `config.attributes`."""

from alembic import context

from monitor.store import views
from monitor.store.migrations import head
from monitor.store.partial_indexes import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: the connection begins transactions itself
    render_as_batch=True,
)
with context.begin_transaction():
    views.drop(connection)
    context.run_migrations()
    if context.get_context().get_current_revision() == head():
        views.create(connection)
