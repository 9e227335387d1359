"""The last run of each command, and what `alerts` has told."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORD = sa.String(64)
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mariadb")
TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb")
JSON = sa.JSON().with_variant(mysql.LONGTEXT(), "mariadb")
IDENTITY = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mariadb")

OPTIONS: dict[str, Any] = {
    "sqlite_with_rowid": False,
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def upgrade() -> None:
    """Create both."""
    op.create_table(
        "run",
        sa.Column("command", WORD, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=False),
        sa.Column("exit_status", sa.Integer, nullable=False),
        sa.Column("done_at", TIME),
        sa.Column("items", sa.BigInteger, nullable=False),
        sa.Column("outcomes", JSON, nullable=False),
        sa.Column("words", TEXT),
        sa.PrimaryKeyConstraint("command", "host", name="pk_run"),
        **OPTIONS,
    )
    op.create_table(
        "alert",
        sa.Column("identity", IDENTITY, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("subject", JSON, nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("over_at", TIME),
        sa.Column("untold", WORD, nullable=False),
        sa.Column("untold_over", WORD, nullable=False),
        sa.Column("claimed_until", TIME),
        sa.PrimaryKeyConstraint("identity", name="pk_alert"),
        **OPTIONS,
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("alert")
    op.drop_table("run")
