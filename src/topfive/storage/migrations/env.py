"""How Alembic runs the steps: on the connection that `open_database` hands over, inside its transaction."""

from alembic import context

from topfive.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
