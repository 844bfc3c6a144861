"""Storage: the database that labelling and challenge share. It knows tables and transactions, not what they mean."""

from topfive.storage.engine import open_database, writing

__all__ = ["open_database", "writing"]
