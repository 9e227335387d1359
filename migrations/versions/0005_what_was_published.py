"""What `posture` saw published, and from when to when."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mariadb")
TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb")

OPTIONS: dict[str, Any] = {
    "sqlite_with_rowid": False,
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "published",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("text", TEXT),
        sa.PrimaryKeyConstraint("name", "kind", "first_at", name="pk_published"),
        **OPTIONS,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("published")
