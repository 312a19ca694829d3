"""Where everything is kept: SQLite by default, PostgreSQL for production.

`sql` holds the store, `outbox` the dispatcher's side of it, `queries` the read side, `migrations` the schema's history.
Nothing is imported here, so that `import monitor` stays free of SQLAlchemy.
"""
