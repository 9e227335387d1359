"""How many reports about one day a sender may have counted: a flood of invented ones ends there."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, func, select

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.prepared import Prepared
from tlsrpt_ingest.store.reports import KEYS
from tlsrpt_ingest.store.speaking import speaking

CODE: Final = "too-many-reports"

_Pair = tuple[str, str]
"""A sender, in words, and a UTC day."""


def capped(engine: Engine, deliveries: Sequence[Prepared], most: int) -> list[Prepared]:
    """The deliveries; those that would be more than `most` new reports of their sender about their day are rejected.

    Reports that the database has already are let through, since nothing new would be counted. A sender is the domain
    that vouches for the report; those that nobody vouches for have a number of their own for each domain of From, so
    that no flood in Google's name keeps out what Google signed. Two writers at once may let a few more through.
    """
    pairs = {index: _pair(one) for index, one in enumerate(deliveries) if one.report}
    with speaking(engine), engine.connect() as connection:
        return _capped(connection, deliveries, pairs, most)


def _capped(
    connection: Connection, deliveries: Sequence[Prepared], pairs: Mapping[int, _Pair], most: int
) -> list[Prepared]:
    left = {
        pair: most - count for pair, count in _counted(connection, {day for _sender, day in pairs.values()}).items()
    }
    wanted = Counter(pairs.values())
    tight = {index for index, pair in pairs.items() if wanted[pair] > left.get(pair, most)}
    if not tight:
        return list(deliveries)
    known = _known(connection, (one.report.identity for index in tight if (one := deliveries[index]).report))
    checked = list(deliveries)
    for index in sorted(tight):
        one, pair = deliveries[index], pairs[index]
        if one.report and one.report.identity not in known:
            known.add(one.report.identity)
            left[pair] = left.get(pair, most) - 1
            if left[pair] < 0:
                checked[index] = _refused(one, most, *pair)
    return checked


def _refused(one: Prepared, most: int, sender: str, day: str) -> Prepared:
    reason = f"{sender} has {most} reports about {day} that count; see [trust] reports_per_day"
    gzip = one.report.gzip if one.report else None
    return one._replace(stage="trust", code=CODE, reason=reason, report=None, octets=one.octets or gzip)


def _pair(one: Prepared) -> _Pair:
    assert one.report is not None  # noqa: S101 - for mypy: only deliveries with a report get here
    return _sender(one.voucher, one.sender), one.report.start_datetime[:10]


def _sender(voucher: str | None, address: str | None) -> str:
    return voucher or f"nobody signing for {(address or '').rpartition('@')[2].lower()!a}"


def _counted(connection: Connection, days: Iterable[str]) -> Counter[_Pair]:
    """How many reports each sender has counted about these days."""
    report, delivery = tables.report.c, tables.delivery.c
    counted: Counter[_Pair] = Counter()
    for day in sorted(days):
        start = datetime.fromisoformat(day)
        rows = connection.execute(
            select(report.signing_domain, delivery.sender, func.count())
            .join_from(tables.report, tables.delivery, delivery.report_pk == report.pk)
            .where(report.start_datetime >= start, report.start_datetime < start + timedelta(days=1))
            .where(report.conflicts_with.is_(None), delivery.outcome == str(Outcome.RECORDED))
            .group_by(report.signing_domain, delivery.sender)
        )
        for voucher, address, count in rows:
            counted[_sender(voucher, address), day] += count
    return counted


def _known(connection: Connection, identities: Iterable[bytes]) -> set[bytes]:
    wanted = sorted(set(identities))
    identity = tables.report.c.identity
    found: set[bytes] = set()
    for start in range(0, len(wanted), KEYS):
        found.update(connection.scalars(select(identity).where(identity.in_(wanted[start : start + KEYS]))))
    return found
