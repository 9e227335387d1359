"""The Alembic history, shipped inside the wheel as tlsrpt_ingest.migrations."""
