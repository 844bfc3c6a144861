"""The steps that build the tables, run by `open_database` through Alembic."""
