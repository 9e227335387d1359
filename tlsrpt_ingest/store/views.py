"""The views that people and dashboards read, as tables to select from; migrations/ has their SQL.

Only counted reports are in them, but for `ledger`, which has every delivery. A session count enters as at most 10^12
(the tables have what the sender wrote), so that no claim of a stranger makes a sum overflow.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Date, DateTime, Integer, MetaData, String, Table, Text

metadata: Final = MetaData()
"""Apart from the tables' own: what compares or creates tables is not to meet views."""

daily_sessions: Final = Table(
    "daily_sessions",
    metadata,
    Column("day", Date),
    Column("organization_name", String),
    Column("policy_domain", String),
    Column("successful", BigInteger),
    Column("failed", BigInteger),
)
"""Sessions of a UTC day from one organization to one domain.

Within a report and domain the sessions are the largest over the policy types, never their sum: Microsoft reports the
same sessions under sts and under tlsa.
"""

failure: Final = Table(
    "failure",
    metadata,
    Column("day", Date),
    Column("organization_name", String),
    Column("report_id", String),
    Column("start_datetime", DateTime),
    Column("end_datetime", DateTime),
    Column("policy_type", String),
    Column("policy_domain", String),
    Column("result_type", String),
    Column("failed_session_count", BigInteger),
    Column("sending_mta_ip", Text),
    Column("receiving_mx_hostname", Text),
    Column("receiving_mx_helo", Text),
    Column("receiving_ip", Text),
    Column("additional_information", Text),
    Column("failure_reason_code", Text),
    Column("submitter", String),
    Column("report_pk", BigInteger),
    Column("policy_position", Integer),
    Column("position", Integer),
)
"""One row per failure detail, with its report and policy."""

policy_seen: Final = Table(
    "policy_seen",
    metadata,
    Column("policy_domain", String),
    Column("policy_type", String),
    Column("policy_string", Text),
    Column("mx_host", Text),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("reports", BigInteger),
)
"""Each policy that senders saw (its strings as JSON text), and from when to when."""

sender: Final = Table(
    "sender",
    metadata,
    Column("organization_name", String),
    Column("reports", BigInteger),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("authenticated", BigInteger),
)
"""Each organization that reports, since when, whether it still does, and for how many reports somebody vouches."""

ledger: Final = Table(
    "ledger",
    metadata,
    Column("first_at", DateTime),
    Column("last_at", DateTime),
    Column("origin", Text),
    Column("outcome", String),
    Column("stage", String),
    Column("code", String),
    Column("reason", Text),
    Column("attempts", Integer),
    Column("verdict", String),
    Column("signing_domain", String),
    Column("selector", String),
    Column("verdict_reason", Text),
    Column("sender", String),
    Column("subject", String),
    Column("submitter", String),
    Column("organization_name", String),
    Column("report_id", String),
    Column("start_datetime", DateTime),
    Column("report_pk", BigInteger),
)
"""One row per delivery: what became of it, who vouches for it, and its report, counted or not."""

loop_report: Final = Table(
    "loop_report",
    metadata,
    Column("day", Date),
    Column("organization_name", String),
    Column("policy_domain", String),
    Column("report_id", String),
    Column("submitter", String),
    Column("report_pk", BigInteger),
)
"""Reports that may be about nothing but the delivery of the report of the day before (RFC 8460 section 5.3).

They speak of a single session to a domain on which the same organization reported the day before.
"""
