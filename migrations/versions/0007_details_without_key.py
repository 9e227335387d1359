"""Failure details without a foreign key: they are written and deleted in one transaction with their policies.

Looking up the policy of each detail was half of PostgreSQL's work, and a tenth of SQLite's.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = sa.String(1_000)
KEY: Any = (["report_pk", "policy_position"], ["policy.report_pk", "policy.position"])
KEY_NAME = "fk_failure_detail_report_pk_policy_position"


def upgrade() -> None:
    """Drop the key."""
    if op.get_context().dialect.name == "sqlite":
        _copy()
    else:
        op.drop_constraint(KEY_NAME, "failure_detail", type_="foreignkey")


def downgrade() -> None:
    """Have it again."""
    if op.get_context().dialect.name == "sqlite":
        _copy(sa.ForeignKeyConstraint(KEY[0], KEY[1], name=KEY_NAME))
    else:
        op.create_foreign_key(KEY_NAME, "failure_detail", "policy", KEY[0], ["report_pk", "position"])


def _copy(*keys: sa.ForeignKeyConstraint) -> None:
    """Make the table again: SQLite cannot drop a key."""
    connection = op.get_bind()
    # Those that show the table, without which it cannot get its name.
    views = connection.execute(
        sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'view' AND sql LIKE '%failure_detail%'")
    ).all()
    for name, _sql in views:
        op.execute(f"DROP VIEW {name}")
    op.create_table(
        "failure_detail_again",
        sa.Column("report_pk", sa.Integer, autoincrement=False),
        sa.Column("policy_position", sa.Integer, autoincrement=False),
        sa.Column("position", sa.Integer, autoincrement=False),
        sa.Column("result_type", NAME, nullable=False),
        sa.Column("sending_mta_ip", sa.Text),
        sa.Column("receiving_mx_hostname", sa.Text),
        sa.Column("receiving_mx_helo", sa.Text),
        sa.Column("receiving_ip", sa.Text),
        sa.Column("failed_session_count", sa.BigInteger, nullable=False),
        sa.Column("additional_information", sa.Text),
        sa.Column("failure_reason_code", sa.Text),
        sa.Column("unknown_members", sa.JSON),
        sa.PrimaryKeyConstraint("report_pk", "policy_position", "position", name="pk_failure_detail"),
        *keys,
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO failure_detail_again SELECT * FROM failure_detail")
    op.drop_table("failure_detail")
    op.rename_table("failure_detail_again", "failure_detail")
    for _name, sql in views:
        connection.exec_driver_sql(sql)
