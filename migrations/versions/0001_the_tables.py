"""The tables and views of the first version."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.String(1_000)
WORD = sa.String(64)
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mariadb")
TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb")
JSON = sa.JSON().with_variant(mysql.LONGTEXT(), "mariadb")
BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mariadb")
IDENTITY = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mariadb")
SHA256 = sa.LargeBinary(32).with_variant(mysql.BINARY(32), "mariadb")

OPTIONS: dict[str, Any] = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}
PK_BLOCK = sa.Sequence("pk_block", start=1, increment=1_000)


def upgrade() -> None:
    """Create everything."""
    if op.get_context().dialect.supports_sequences:
        op.execute(sa.schema.CreateSequence(PK_BLOCK))
    _tables()
    for name, select in _views().items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def downgrade() -> None:
    """Drop everything."""
    for name in reversed(_views()):
        op.execute(f"DROP VIEW {name}")
    for table in ("delivery", "mailbox", "document", "deviation", "failure_detail", "policy", "report"):
        op.drop_table(table)
    if op.get_context().dialect.supports_sequences:
        op.execute(sa.schema.DropSequence(PK_BLOCK))


def _tables() -> None:
    op.create_table(
        "report",
        sa.Column("pk", KEY, autoincrement=False),
        sa.Column("identity", IDENTITY, nullable=False),
        sa.Column("conflicts_with", KEY),
        sa.Column("organization_name", NAME),
        sa.Column("report_id", NAME, nullable=False),
        sa.Column("contact_info", TEXT),
        sa.Column("start_datetime", TIME, nullable=False),
        sa.Column("end_datetime", TIME, nullable=False),
        sa.Column("submitter", NAME),
        sa.Column("document_digest", SHA256, nullable=False),
        sa.Column("unknown_members", JSON),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_report"),
        sa.ForeignKeyConstraint(["conflicts_with"], ["report.pk"], name="fk_report_conflicts_with"),
        sa.UniqueConstraint("identity", name="uq_report_identity"),
        **OPTIONS,
    )
    op.create_index("ix_report_start_datetime", "report", ["start_datetime"])
    op.create_index(
        "ix_report_conflicts_with",
        "report",
        ["conflicts_with"],
        sqlite_where=sa.text("conflicts_with IS NOT NULL"),
        postgresql_where=sa.text("conflicts_with IS NOT NULL"),
    )
    op.create_table(
        "policy",
        sa.Column("report_pk", KEY, autoincrement=False),
        sa.Column("position", sa.Integer, autoincrement=False),
        sa.Column("policy_type", NAME, nullable=False),
        sa.Column("policy_domain", NAME),
        sa.Column("policy_string", JSON, nullable=False),
        sa.Column("mx_host", JSON, nullable=False),
        sa.Column("total_successful_session_count", sa.BigInteger, nullable=False),
        sa.Column("total_failure_session_count", sa.BigInteger, nullable=False),
        sa.Column("unknown_members", JSON),
        sa.PrimaryKeyConstraint("report_pk", "position", name="pk_policy"),
        sa.ForeignKeyConstraint(["report_pk"], ["report.pk"], name="fk_policy_report_pk"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "failure_detail",
        sa.Column("report_pk", KEY, autoincrement=False),
        sa.Column("policy_position", sa.Integer, autoincrement=False),
        sa.Column("position", sa.Integer, autoincrement=False),
        sa.Column("result_type", NAME, nullable=False),
        sa.Column("sending_mta_ip", TEXT),
        sa.Column("receiving_mx_hostname", TEXT),
        sa.Column("receiving_mx_helo", TEXT),
        sa.Column("receiving_ip", TEXT),
        sa.Column("failed_session_count", sa.BigInteger, nullable=False),
        sa.Column("additional_information", TEXT),
        sa.Column("failure_reason_code", TEXT),
        sa.Column("unknown_members", JSON),
        sa.PrimaryKeyConstraint("report_pk", "policy_position", "position", name="pk_failure_detail"),
        sa.ForeignKeyConstraint(
            ["report_pk", "policy_position"],
            ["policy.report_pk", "policy.position"],
            name="fk_failure_detail_report_pk_policy_position",
        ),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "deviation",
        sa.Column("report_pk", KEY, autoincrement=False),
        sa.Column("position", sa.Integer, autoincrement=False),
        sa.Column("code", NAME, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("report_pk", "position", name="pk_deviation"),
        sa.ForeignKeyConstraint(["report_pk"], ["report.pk"], name="fk_deviation_report_pk"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "document",
        sa.Column("report_pk", KEY, autoincrement=False),
        sa.Column("gzip", BLOB, nullable=False),
        sa.PrimaryKeyConstraint("report_pk", name="pk_document"),
        sa.ForeignKeyConstraint(["report_pk"], ["report.pk"], name="fk_document_report_pk"),
        **OPTIONS,
    )
    _ledger()


def _ledger() -> None:
    op.create_table(
        "mailbox",
        sa.Column("pk", KEY, autoincrement=False),
        sa.Column("identity", IDENTITY, nullable=False),
        sa.Column("account", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("uidvalidity", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_mailbox"),
        sa.UniqueConstraint("identity", name="uq_mailbox_identity"),
        **OPTIONS,
    )
    op.create_table(
        "delivery",
        sa.Column("pk", KEY, autoincrement=False),
        sa.Column("item", IDENTITY, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("digest", SHA256, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("message_id", NAME),
        sa.Column("sender", NAME),
        sa.Column("subject", NAME),
        sa.Column("submitter", NAME),
        sa.Column("outcome", WORD, nullable=False),
        sa.Column("stage", WORD),
        sa.Column("code", WORD),
        sa.Column("reason", TEXT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("report_pk", KEY),
        sa.Column("mailbox_pk", KEY),
        sa.Column("uid", sa.BigInteger),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("octets", BLOB),
        sa.PrimaryKeyConstraint("pk", name="pk_delivery"),
        sa.ForeignKeyConstraint(["report_pk"], ["report.pk"], name="fk_delivery_report_pk"),
        sa.ForeignKeyConstraint(["mailbox_pk"], ["mailbox.pk"], name="fk_delivery_mailbox_pk"),
        sa.UniqueConstraint("item", "part", name="uq_delivery_item_part"),
        **OPTIONS,
    )
    op.create_index("ix_delivery_report_pk", "delivery", ["report_pk"])
    op.create_index("ix_delivery_mailbox_pk_uid", "delivery", ["mailbox_pk", "uid"])


def _views() -> dict[str, str]:
    """Each view's SELECT, in the words of the database at hand."""
    dialect = op.get_context().dialect.name
    day = {"sqlite": "date({})", "mariadb": "DATE({})", "postgresql": "CAST({} AS DATE)"}[dialect]
    # Sums of 64-bit integers are numeric on the servers.
    count = {"sqlite": "{}", "mariadb": "CAST({} AS SIGNED)", "postgresql": "CAST({} AS BIGINT)"}[dialect]
    json = {"sqlite": "{}", "mariadb": "{}", "postgresql": "CAST({} AS TEXT)"}[dialect]

    # A session count enters a view as at most 10^12, more than all mail of the Earth in a day: SQLite's sum() fails for
    # good when it passes 2^63, and a report that claims 2^63 - 1 sessions is all that this takes.
    def bounded(column: str) -> str:
        return f"CASE WHEN {column} > 1000000000000 THEN 1000000000000 ELSE {column} END"

    successful = bounded("policy.total_successful_session_count")
    failed = bounded("policy.total_failure_session_count")
    daily_sessions = f"""
        SELECT
            day,
            organization_name,
            policy_domain,
            {count.format("SUM(sessions - failed)")} AS successful,
            {count.format("SUM(failed)")} AS failed
        FROM (
            SELECT day, organization_name, policy_domain, report_pk, MAX(sessions) AS sessions, MAX(failed) AS failed
            FROM (
                SELECT
                    {day.format("report.start_datetime")} AS day,
                    report.organization_name,
                    policy.policy_domain,
                    policy.report_pk,
                    policy.policy_type,
                    SUM({successful}) + SUM({failed}) AS sessions,
                    SUM({failed}) AS failed
                FROM report JOIN policy ON policy.report_pk = report.pk
                WHERE report.conflicts_with IS NULL
                GROUP BY report.start_datetime, report.organization_name, policy.policy_domain, policy.report_pk,
                    policy.policy_type
            ) AS by_type
            GROUP BY day, organization_name, policy_domain, report_pk
        ) AS by_report
        GROUP BY day, organization_name, policy_domain
    """  # noqa: S608 - words of ours
    failure = f"""
        SELECT
            {day.format("report.start_datetime")} AS day,
            report.organization_name,
            report.report_id,
            report.start_datetime,
            report.end_datetime,
            policy.policy_type,
            policy.policy_domain,
            detail.result_type,
            {bounded("detail.failed_session_count")} AS failed_session_count,
            detail.sending_mta_ip,
            detail.receiving_mx_hostname,
            detail.receiving_mx_helo,
            detail.receiving_ip,
            detail.additional_information,
            detail.failure_reason_code,
            report.submitter,
            detail.report_pk,
            detail.policy_position,
            detail.position
        FROM failure_detail AS detail
        JOIN policy ON policy.report_pk = detail.report_pk AND policy.position = detail.policy_position
        JOIN report ON report.pk = detail.report_pk
        WHERE report.conflicts_with IS NULL
    """  # noqa: S608 - as above
    policy_seen = f"""
        SELECT
            policy.policy_domain,
            policy.policy_type,
            {json.format("policy.policy_string")} AS policy_string,
            {json.format("policy.mx_host")} AS mx_host,
            MIN({day.format("report.start_datetime")}) AS first_day,
            MAX({day.format("report.start_datetime")}) AS last_day,
            COUNT(*) AS reports
        FROM policy JOIN report ON report.pk = policy.report_pk
        WHERE report.conflicts_with IS NULL
        GROUP BY policy.policy_domain, policy.policy_type, {json.format("policy.policy_string")},
            {json.format("policy.mx_host")}
    """  # noqa: S608 - as above
    sender = f"""
        SELECT
            organization_name,
            COUNT(*) AS reports,
            MIN({day.format("start_datetime")}) AS first_day,
            MAX({day.format("start_datetime")}) AS last_day
        FROM report
        WHERE conflicts_with IS NULL
        GROUP BY organization_name
    """  # noqa: S608 - as above
    return {"daily_sessions": daily_sessions, "failure": failure, "policy_seen": policy_seen, "sender": sender}
