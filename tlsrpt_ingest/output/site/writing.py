"""The site, from the database into a folder: reports first, the page that links to them last."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.site import content, pages
from tlsrpt_ingest.output.site.facts import DomainView, Shown
from tlsrpt_ingest.output.site.folder import Folder, open_folder
from tlsrpt_ingest.output.site.names import report_page
from tlsrpt_ingest.rfc8460 import FailureDetail, Policy
from tlsrpt_ingest.store import ask, kept, seen
from tlsrpt_ingest.store.days import Days, DomainDays, days, period
from tlsrpt_ingest.store.drift import drift_of
from tlsrpt_ingest.store.readiness import Readiness, readiness_of

REPORTS: Final = 100
"""Reports that have a page."""

REPORT_OCTETS: Final = 224 * 1024
"""Octets of all their pages: with ten domains over half a year the site stays below a MiB."""

EXAMPLES: Final = 3
"""Senders of a failure whose latest report is looked into for what exactly failed."""

DETAILS: Final = 20
"""Failure details of one report that are looked at for that."""

REJECTED: Final = 10
"""Rejected deliveries that are shown with their reason."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the folder: its pages, those that changed, and former ones that went."""

    pages: int
    changed: int
    removed: int


def write_site(engine: Engine, path: Path, most: int, now: datetime) -> Written:
    """Write the pages of the last `most` days up to the latest report into a folder. `now` has a zone.

    Raises Misconfigured or Unavailable; the pages that are there stay whole.
    """
    now = now.astimezone(UTC)
    with open_folder(path) as folder:
        _write(engine, folder, *period(engine, now, most), now)
        folder.finish()
        return Written(folder.pages, folder.written, folder.removed)


def _write(engine: Engine, folder: Folder, first: date, last: date, now: datetime) -> None:
    summed = days(engine, first, last)
    reports = _reports(engine, folder, summed)
    since = datetime.combine(first, datetime.min.time(), UTC)
    domains = list(_domains(engine, summed))
    overview = content.overview(
        summed,
        domains,
        seen.deviations_met(engine, first, last, [sender.organization_name for sender in summed.senders]),
        seen.set_aside(engine, first),
        list(ask.ledger(engine, Outcome.REJECTED, REJECTED, since)),
        written=now,
        reports=reports,
    )
    for domain in domains:
        folder.put(domain.page, pages.domain(domain, overview))
    folder.put("index.html", pages.index(overview))


def _chosen(engine: Engine, summed: Days) -> list[int]:
    """The reports to show, by pk: the latest of each kind of failure, then others worth a look."""
    kinds = [kind for domain in summed.domains for kind in domain.kinds.values()]
    kinds.sort(key=lambda kind: kind.latest, reverse=True)
    latest = [kind.report_pk for kind in kinds]
    return list(dict.fromkeys([*latest, *kept.worth_a_look(engine, summed.first, summed.last, REPORTS)]))[:REPORTS]


def _reports(engine: Engine, folder: Folder, summed: Days) -> dict[int, Shown]:
    """Write pages of reports, as far as there is room; returns those that have one."""
    domains = {domain.policy_domain for domain in summed.domains}
    written = {}
    room = REPORT_OCTETS
    for pk in _chosen(engine, summed):
        report = kept.kept(engine, pk)
        if report is None:
            continue
        page = pages.report(report, domains)
        room -= len(page.encode())
        if room < 0:
            break
        folder.put(report_page(pk), page)
        written[pk] = content.shown(report)
    return written


def _domains(engine: Engine, summed: Days) -> Iterator[DomainView]:
    names = [domain.policy_domain for domain in summed.domains]
    ready = readiness_of(engine, [name for name in names if name is not None])
    policies = seen.policies_seen(engine, summed.first, names)
    for domain in summed.domains:
        name = domain.policy_domain
        yield content.domain_view(
            domain,
            summed,
            _NO_DOMAIN if name is None else ready[name],
            policies[name],
            () if name is None else drift_of(engine, name),
            _details(engine, domain),
        )


_NO_DOMAIN: Final = Readiness(0, 0, None, None, None, ready=False, why="These reports name no domain.")


def _details(engine: Engine, domain: DomainDays) -> dict[str, list[tuple[FailureDetail, Policy]]]:
    """Examples of each result type, from the latest reports of some senders."""
    found = {}
    for result_type in domain.failures:
        kinds = sorted(
            (kind for kind in domain.kinds.values() if kind.result_type == result_type),
            key=lambda kind: kind.latest,
            reverse=True,
        )
        pks = [kind.report_pk for kind in islice(kinds, EXAMPLES)]
        found[result_type] = kept.failures_of(engine, pks, domain.policy_domain, result_type, DETAILS)
    return found
