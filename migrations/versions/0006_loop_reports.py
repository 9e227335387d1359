"""A view of reports that may be about nothing but the delivery of the report before; an index of what is refused."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_DAY = {"sqlite": "date({})", "mariadb": "DATE({})", "postgresql": "CAST({} AS DATE)"}
_DAY_BEFORE = {
    "sqlite": "date({}, '-1 day')",
    "mariadb": "DATE({}) - INTERVAL 1 DAY",
    "postgresql": "CAST({} AS DATE) - 1",
}


def upgrade() -> None:
    """Create both."""
    dialect = op.get_context().dialect.name
    if dialect != "mariadb":  # which has no partial indexes
        refused = sa.text("outcome IN ('unauthenticated', 'foreign')")
        op.create_index(
            "ix_delivery_refused_at", "delivery", ["last_at"], sqlite_where=refused, postgresql_where=refused
        )
    day = _DAY[dialect].format("report.start_datetime")
    day_before = _DAY_BEFORE[dialect].format("report.start_datetime")
    op.execute(
        f"""
        CREATE VIEW loop_report AS SELECT
            {day} AS day,
            report.organization_name,
            single.policy_domain,
            report.report_id,
            report.submitter,
            single.report_pk
        FROM (
            SELECT report_pk, policy_domain
            FROM policy
            GROUP BY report_pk, policy_domain
            HAVING MAX(
                CASE WHEN total_successful_session_count <= 1 AND total_failure_session_count <= 1
                    THEN total_successful_session_count + total_failure_session_count ELSE 2 END
            ) = 1
        ) AS single
        JOIN report ON report.pk = single.report_pk
        WHERE report.conflicts_with IS NULL AND EXISTS (
            SELECT 1
            FROM report AS earlier JOIN policy ON policy.report_pk = earlier.pk
            WHERE earlier.start_datetime >= {day_before} AND earlier.start_datetime < {day}
                AND earlier.conflicts_with IS NULL
                AND earlier.organization_name = report.organization_name
                AND policy.policy_domain = single.policy_domain
        )
        """  # noqa: S608 - words of ours
    )


def downgrade() -> None:
    """Drop both."""
    op.execute("DROP VIEW loop_report")
    if op.get_context().dialect.name != "mariadb":
        op.drop_index("ix_delivery_refused_at", "delivery")
