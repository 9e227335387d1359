"""Who vouches for a delivery, and for a report that counts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORD = sa.String(64)
DOMAIN = sa.String(255)
TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb")

_DAY = {"sqlite": "date({})", "mariadb": "DATE({})", "postgresql": "CAST({} AS DATE)"}


def upgrade() -> None:
    """Add the columns, and show them in the views."""
    op.execute("DROP VIEW sender")
    op.add_column("report", sa.Column("signing_domain", DOMAIN))
    op.add_column("delivery", sa.Column("verdict", WORD))
    op.add_column("delivery", sa.Column("signing_domain", DOMAIN))
    op.add_column("delivery", sa.Column("selector", DOMAIN))
    op.add_column("delivery", sa.Column("verdict_reason", TEXT))
    _create_sender(", COUNT(signing_domain) AS authenticated")
    op.execute(
        """
        CREATE VIEW ledger AS SELECT
            delivery.first_at,
            delivery.last_at,
            delivery.origin,
            delivery.outcome,
            delivery.stage,
            delivery.code,
            delivery.reason,
            delivery.attempts,
            delivery.verdict,
            delivery.signing_domain,
            delivery.selector,
            delivery.verdict_reason,
            delivery.sender,
            delivery.subject,
            delivery.submitter,
            report.organization_name,
            report.report_id,
            report.start_datetime,
            delivery.report_pk
        FROM delivery LEFT JOIN report ON report.pk = delivery.report_pk
        """
    )


def downgrade() -> None:
    """Take them away."""
    for name in ("ledger", "sender"):
        op.execute(f"DROP VIEW {name}")
    for column in ("verdict_reason", "selector", "signing_domain", "verdict"):
        op.drop_column("delivery", column)
    op.drop_column("report", "signing_domain")
    _create_sender("")


def _create_sender(more: str) -> None:
    """The view as 0001 has it, with more columns at its end."""
    day = _DAY[op.get_context().dialect.name]
    op.execute(
        f"""
        CREATE VIEW sender AS SELECT
            organization_name,
            COUNT(*) AS reports,
            MIN({day.format("start_datetime")}) AS first_day,
            MAX({day.format("start_datetime")}) AS last_day{more}
        FROM report
        WHERE conflicts_with IS NULL
        GROUP BY organization_name
        """  # noqa: S608 - words of ours
    )
