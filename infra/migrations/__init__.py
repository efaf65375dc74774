"""How a database of an older release becomes one of this release: steps of Alembic, taken when it is opened."""
