"""Run by Alembic for every command. The caller hands its open connection over in `config.attributes`."""

from alembic import context

from monitor.store.partial_indexes import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: the connection begins transactions itself
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
