"""Indexes for reading the reports of some days, and views that use them (docs/performance.md has the query plans)."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes, and the views again."""
    dialect = op.get_context().dialect.name
    op.create_index(
        "ix_delivery_unsettled",
        "delivery",
        ["mailbox_pk", "settled", "outcome", "uid"],
        sqlite_where=sa.text("settled IS 0 AND mailbox_pk IS NOT NULL"),
        postgresql_where=sa.text("settled IS false AND mailbox_pk IS NOT NULL"),
    )
    if dialect == "mariadb":  # which has neither partial indexes nor those over expressions
        return
    rejected = sa.text("outcome = 'rejected'")
    for name, columns in _REJECTED.items():
        op.create_index(name, "delivery", columns, sqlite_where=rejected, postgresql_where=rejected)
    op.create_index("ix_report_day", "report", [sa.text(_DAY[dialect])])
    for name, select in _VIEWS[dialect].items():
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {select}")


def downgrade() -> None:
    """Drop the indexes; the views are as good as those before, and slower."""
    dialect = op.get_context().dialect.name
    op.drop_index("ix_delivery_unsettled", "delivery")
    if dialect != "mariadb":
        for name in _REJECTED:
            op.drop_index(name, "delivery")
        op.drop_index("ix_report_day", "report")


_REJECTED = {"ix_delivery_rejected_at": ["last_at"], "ix_delivery_rejected_uid": ["mailbox_pk", "uid"]}
_DAY = {"sqlite": "date(start_datetime)", "postgresql": "CAST(start_datetime AS DATE)"}


# As in 0001: a session count enters a view as at most 10^12.
def _bounded(column: str) -> str:
    return f"CASE WHEN {column} > 1000000000000 THEN 1000000000000 ELSE {column} END"


_SUCCESSFUL = _bounded("policy.total_successful_session_count")
_FAILED = _bounded("policy.total_failure_session_count")


def _failure_columns(day: str, policy: str) -> str:
    return f"""
        {day} AS day,
        report.organization_name,
        report.report_id,
        report.start_datetime,
        report.end_datetime,
        {policy}.policy_type,
        {policy}.policy_domain,
        detail.result_type,
        {_bounded("detail.failed_session_count")} AS failed_session_count,
        detail.sending_mta_ip,
        detail.receiving_mx_hostname,
        detail.receiving_mx_helo,
        detail.receiving_ip,
        detail.additional_information,
        detail.failure_reason_code,
        report.submitter,
        report.pk AS report_pk,
        detail.policy_position,
        detail.position
    """


# SQLite takes the tables in this order where CROSS JOIN says so. By itself, and without statistics, it reads all
# failure details and looks up the day of each.
_SQLITE_FAILURE = f"""
    SELECT {_failure_columns("date(report.start_datetime)", "policy")}
    FROM report
    CROSS JOIN policy ON policy.report_pk = report.pk
    CROSS JOIN failure_detail AS detail
        ON detail.report_pk = policy.report_pk AND detail.policy_position = policy.position
    WHERE report.conflicts_with IS NULL
"""  # noqa: S608 - words of ours

# SQLite moves a condition on `day` into one level of grouping, and here are three: so the days stand in front, where
# the condition finds them, and each is summed by itself. What it comes to is several rows, which only JSON hands out
# of a subquery.
_SQLITE_DAILY_SESSIONS = f"""
    SELECT
        each.day AS day,
        json_extract(sums.value, '$[0]') AS organization_name,
        json_extract(sums.value, '$[1]') AS policy_domain,
        json_extract(sums.value, '$[2]') AS successful,
        json_extract(sums.value, '$[3]') AS failed
    FROM (SELECT DISTINCT date(start_datetime) AS day FROM report) AS each
    CROSS JOIN json_each((
        SELECT json_group_array(json_array(organization_name, policy_domain, successful, failed))
        FROM (
            SELECT organization_name, policy_domain, SUM(sessions - failed) AS successful, SUM(failed) AS failed
            FROM (
                SELECT report_pk, organization_name, policy_domain, MAX(sessions) AS sessions, MAX(failed) AS failed
                FROM (
                    SELECT
                        policy.report_pk,
                        policy.policy_domain,
                        policy.policy_type,
                        report.organization_name,
                        SUM({_SUCCESSFUL}) + SUM({_FAILED}) AS sessions,
                        SUM({_FAILED}) AS failed
                    FROM report CROSS JOIN policy ON policy.report_pk = report.pk
                    WHERE report.conflicts_with IS NULL AND date(report.start_datetime) = each.day
                    GROUP BY policy.report_pk, policy.policy_domain, policy.policy_type, report.organization_name
                ) AS by_type
                GROUP BY report_pk, policy_domain, organization_name
            ) AS by_report
            GROUP BY organization_name, policy_domain
        ) AS of_day
    )) AS sums
"""  # noqa: S608 - as above

# LATERAL ... OFFSET 0 keeps PostgreSQL from reading all failure details where a month is asked for: it does not know
# that the details of one report, and the reports of one day, lie side by side.
_POSTGRESQL_FAILURE = f"""
    SELECT {_failure_columns("CAST(report.start_datetime AS DATE)", "detail")}
    FROM report
    CROSS JOIN LATERAL (
        SELECT policy.policy_type, policy.policy_domain, failure_detail.*
        FROM policy JOIN failure_detail
            ON failure_detail.report_pk = policy.report_pk AND failure_detail.policy_position = policy.position
        WHERE policy.report_pk = report.pk AND failure_detail.report_pk = report.pk
        OFFSET 0
    ) AS detail
    WHERE report.conflicts_with IS NULL
"""  # noqa: S608 - as above

_POSTGRESQL_DAILY_SESSIONS = f"""
    SELECT
        CAST(report.start_datetime AS DATE) AS day,
        report.organization_name,
        by_domain.policy_domain,
        CAST(SUM(by_domain.sessions - by_domain.failed) AS BIGINT) AS successful,
        CAST(SUM(by_domain.failed) AS BIGINT) AS failed
    FROM report
    CROSS JOIN LATERAL (
        SELECT policy_domain, MAX(sessions) AS sessions, MAX(failed) AS failed
        FROM (
            SELECT policy_domain, policy_type, SUM({_SUCCESSFUL}) + SUM({_FAILED}) AS sessions, SUM({_FAILED}) AS failed
            FROM policy
            WHERE policy.report_pk = report.pk
            GROUP BY policy_domain, policy_type
        ) AS by_type
        GROUP BY policy_domain
    ) AS by_domain
    WHERE report.conflicts_with IS NULL
    GROUP BY CAST(report.start_datetime AS DATE), report.organization_name, by_domain.policy_domain
"""  # noqa: S608 - as above

_VIEWS = {
    "sqlite": {"daily_sessions": _SQLITE_DAILY_SESSIONS, "failure": _SQLITE_FAILURE},
    "postgresql": {"daily_sessions": _POSTGRESQL_DAILY_SESSIONS, "failure": _POSTGRESQL_FAILURE},
}
