"""What Alembic runs around the steps: in the connection and the transaction of whoever opens the database."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
