"""The SQL database: tables, engine, schema, writing (record) and reading (ask)."""
