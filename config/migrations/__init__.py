"""The versions of the database's form; see `config/migrate.py`."""
