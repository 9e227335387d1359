"""Reports as the tables keep them, one by one: which of them to look at first, and all of one. Reads only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, exists, func, select

from tlsrpt_ingest.rfc8460 import Deviation, FailureDetail, Policy, PolicyEntry
from tlsrpt_ingest.rfc8460.document import Summary
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.days import within
from tlsrpt_ingest.store.speaking import speaking

POLICIES: Final = 50
FAILURES: Final = 20
DEVIATIONS: Final = 100
"""Policies of a report, failure details of a policy and deviations that are fetched; the kept document has the rest."""


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An element of policies[] at its position, with the first failure details of it."""

    position: int
    entry: PolicyEntry
    failures: int
    """How many failure details it has in all."""


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A counted report. Times are UTC without a zone; every text but `origin` is a stranger's."""

    pk: int
    organization_name: str | None
    report_id: str
    contact_info: str | None
    start_datetime: datetime
    end_datetime: datetime
    submitter: str | None
    signing_domain: str | None
    """Who vouches for it by DKIM; None where nobody does."""
    judged: bool
    """Whether somebody has looked who vouches for it."""
    entries: tuple[KeptEntry, ...]
    policies: int
    """How many policies it has in all."""
    deviations: tuple[Deviation, ...]
    origin: str | None
    """Where it was found first."""
    sender: str | None
    subject: str | None


def worth_a_look(engine: Engine, first: date, last: date, limit: int) -> list[int]:
    """The pks of at most `limit` reports of a period: those with failures first, then with deviations, then others.

    Each group has its newest first.
    """
    report, policy, deviation = tables.report.c, tables.policy.c, tables.deviation.c
    failing = exists().where(and_(policy.report_pk == report.pk, policy.total_failure_session_count > 0))
    deviating = exists().where(deviation.report_pk == report.pk)
    found: dict[int, None] = {}
    with speaking(engine), engine.connect() as connection:
        for conditions in ([failing], [deviating], []):
            if len(found) < limit:
                asked = select(report.pk).where(*within(first, last), *conditions)
                asked = asked.order_by(report.start_datetime.desc(), report.pk.desc()).limit(limit)
                found.update(dict.fromkeys(connection.scalars(asked)))
    return list(found)[:limit]


def kept(engine: Engine, pk: int) -> KeptReport | None:
    """The report with this pk; None where it is not there, or is not counted."""
    report, delivery = tables.report.c, tables.delivery.c
    with speaking(engine), engine.connect() as connection:
        row = connection.execute(
            select(
                report.organization_name,
                report.report_id,
                report.contact_info,
                report.start_datetime,
                report.end_datetime,
                report.submitter,
                report.signing_domain,
            ).where(report.pk == pk, report.conflicts_with.is_(None))
        ).first()
        if row is None:
            return None
        came = connection.execute(
            select(delivery.origin, delivery.sender, delivery.subject, delivery.verdict)
            .where(delivery.report_pk == pk)
            .order_by(delivery.pk)
            .limit(1)
        ).first()
        policies = connection.scalar(select(func.count()).where(tables.policy.c.report_pk == pk))
        return KeptReport(
            pk=pk,
            organization_name=row.organization_name,
            report_id=row.report_id,
            contact_info=row.contact_info,
            start_datetime=row.start_datetime,
            end_datetime=row.end_datetime,
            submitter=row.submitter,
            signing_domain=row.signing_domain,
            judged=bool(came and came.verdict),
            entries=_entries(connection, pk),
            policies=policies or 0,
            deviations=_deviations(connection, pk),
            origin=came.origin if came else None,
            sender=came.sender if came else None,
            subject=came.subject if came else None,
        )


def failures_of(
    engine: Engine, pks: Iterable[int], domain: str | None, result_type: str, limit: int
) -> list[tuple[FailureDetail, Policy]]:
    """Failures of one result type to one domain in these reports, with the policy of each: at most `limit` a report."""
    policy, detail = tables.policy, tables.failure_detail
    about = policy.c.policy_domain.is_(None) if domain is None else policy.c.policy_domain == domain
    found = []
    with speaking(engine), engine.connect() as connection:
        for pk in pks:
            asked = (
                select(*_DETAIL, *_POLICY)
                .join_from(
                    detail,
                    policy,
                    and_(policy.c.report_pk == detail.c.report_pk, policy.c.position == detail.c.policy_position),
                )
                .where(detail.c.report_pk == pk, detail.c.result_type == result_type, about)
                .order_by(detail.c.policy_position, detail.c.position)
                .limit(limit)
            )
            found += [(_detail(row), _policy(row)) for row in connection.execute(asked)]
    return found


_DETAIL: Final = tuple(
    tables.failure_detail.c[name]
    for name in (
        "result_type",
        "sending_mta_ip",
        "receiving_mx_hostname",
        "receiving_mx_helo",
        "receiving_ip",
        "failed_session_count",
        "additional_information",
        "failure_reason_code",
    )
)
_POLICY: Final = tuple(tables.policy.c[name] for name in ("policy_type", "policy_domain", "policy_string", "mx_host"))


def _detail(row: Any) -> FailureDetail:
    return FailureDetail(**{column.name: getattr(row, column.name) for column in _DETAIL})


def _policy(row: Any) -> Policy:
    return Policy(
        policy_type=row.policy_type,
        policy_domain=row.policy_domain,
        policy_string=tuple(row.policy_string),
        mx_host=tuple(row.mx_host),
    )


def _entries(connection: Connection, pk: int) -> tuple[KeptEntry, ...]:
    policy, detail = tables.policy.c, tables.failure_detail.c
    rows: Sequence[Any] = connection.execute(
        select(*_POLICY, policy.position, policy.total_successful_session_count, policy.total_failure_session_count)
        .where(policy.report_pk == pk)
        .order_by(policy.position)
        .limit(POLICIES)
    ).all()
    counted = connection.execute(
        select(detail.policy_position, func.count()).where(detail.report_pk == pk).group_by(detail.policy_position)
    )
    counts: dict[int, int] = {position: count for position, count in counted}  # noqa: C416 - rows, which mypy takes for no pairs
    entries = []
    for row in rows:
        details: Sequence[Any] = ()
        if row.position in counts:
            details = connection.execute(
                select(*_DETAIL)
                .where(detail.report_pk == pk, detail.policy_position == row.position)
                .order_by(detail.position)
                .limit(FAILURES)
            ).all()
        entry = PolicyEntry(
            policy=_policy(row),
            summary=Summary(
                total_successful_session_count=row.total_successful_session_count,
                total_failure_session_count=row.total_failure_session_count,
            ),
            failure_details=tuple(_detail(one) for one in details),
        )
        entries.append(KeptEntry(row.position, entry, counts.get(row.position, 0)))
    return tuple(entries)


def _deviations(connection: Connection, pk: int) -> tuple[Deviation, ...]:
    deviation = tables.deviation.c
    asked = (
        select(deviation.code, deviation.path)
        .where(deviation.report_pk == pk)
        .order_by(deviation.position)
        .limit(DEVIATIONS)
    )
    return tuple(Deviation(code, path) for code, path in connection.execute(asked))
