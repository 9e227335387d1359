"""What the pages show: a domain, its failures and policies, a sender, a report, and all of them together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.site.names import failure_anchor
from tlsrpt_ingest.rfc8460 import FailureDetail
from tlsrpt_ingest.rfc8460.explanations import Explanation
from tlsrpt_ingest.store.ask import LedgerRow
from tlsrpt_ingest.store.days import Days, DomainDays, Kind
from tlsrpt_ingest.store.drift import Drift, Verdict
from tlsrpt_ingest.store.readiness import Readiness
from tlsrpt_ingest.store.seen import PolicySeen, Reason

RECENT: Final = 7
"""Days before the last report in which a failure is news."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One explanation, and what senders wrote to it."""

    explanation: Explanation
    reasons: tuple[str, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Failure details of one policy that have the same result type and explanation."""

    result_type: str
    explanation: Explanation
    details: tuple[FailureDetail, ...]


@dataclass(frozen=True, slots=True)
class FailureView:
    """All failures of one result type to one domain."""

    result_type: str
    sessions: int
    first: date
    latest: date
    daily: tuple[int, ...]
    kinds: tuple[Kind, ...]
    """By sender, the latest first."""
    explained: tuple[Explained, ...]

    @property
    def anchor(self) -> str:
        """Where on the page it stands."""
        return failure_anchor(self.result_type)


@dataclass(frozen=True, slots=True)
class SeenView:
    """A policy that senders saw, and in which mode if it is MTA-STS."""

    seen: PolicySeen
    mode: str | None
    change: str | None
    """What is other than in the policy of this type that was seen first before it."""


@dataclass(frozen=True, slots=True)
class DomainView:
    """One domain."""

    name: str | None
    page: str
    days: DomainDays
    successful: int
    failed: int
    recent: int
    """Failed sessions of the last RECENT days."""
    last_failure: date | None
    failures: tuple[FailureView, ...]
    readiness: Readiness
    policies: tuple[SeenView, ...]
    drift: tuple[Drift, ...]
    """What senders saw lately beside what is published; empty where `posture` never looked."""

    @property
    def strayed(self) -> tuple[Drift, ...]:
        """What senders saw lately that is not what is published."""
        return tuple(one for one in self.drift if one.verdict not in (Verdict.SAME, Verdict.EARLIER))

    @property
    def sessions(self) -> int:
        """Succeeded and failed."""
        return self.successful + self.failed


@dataclass(frozen=True, slots=True)
class SenderView:
    """One organization."""

    organization_name: str | None
    reports: int
    latest: date
    silent: int
    """Days since its latest report, where it used to send more; else 0."""
    successful: int
    failed: int
    deviations: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class News:
    """A failure of the last days: what to look at first."""

    domain: DomainView
    failure: FailureView
    sessions: int
    senders: tuple[str | None, ...]
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Shown:
    """A report that has a page."""

    pk: int
    day: date
    organization_name: str | None
    domains: frozenset[str | None]
    failed: int
    deviations: int


@dataclass(frozen=True, slots=True)
class Overview:
    """All domains."""

    days: Days
    domains: tuple[DomainView, ...]
    """Trouble first."""
    successful: tuple[int, ...]
    failed: tuple[int, ...]
    """Each day, all domains."""
    failures: dict[str, tuple[int, ...]]
    """Each day by result type, all domains."""
    senders: tuple[SenderView, ...]
    news: tuple[News, ...]
    more_news: int
    set_aside: tuple[Reason, ...]
    rejected: tuple[LedgerRow, ...]
    written: datetime
    reports: Mapping[int, Shown]
    """The reports that have a page, by pk."""

    def reports_on(self, domain: DomainView) -> list[Shown]:
        """Those about one domain, the latest first."""
        about = [one for one in self.reports.values() if domain.name in one.domains]
        return sorted(about, key=lambda one: (one.day, one.pk), reverse=True)

    @property
    def age(self) -> int:
        """Days since the latest report."""
        return (self.written.date() - self.days.last).days if self.days.reports else 0

    @property
    def silent(self) -> tuple[SenderView, ...]:
        """Senders that used to report and do not any more."""
        return tuple(sender for sender in self.senders if sender.silent)

    @property
    def unexplained(self) -> tuple[DomainView, ...]:
        """Domains to which sessions failed lately, and no sender says what failed."""
        return tuple(
            domain
            for domain in self.domains
            if domain.recent and not any(sum(one.daily[-RECENT:]) for one in domain.failures)
        )

    @property
    def rejected_deliveries(self) -> int:
        """All of them, of which `rejected` has the last."""
        return sum(one.deliveries for one in self.set_aside if one.outcome is Outcome.REJECTED)

    @property
    def changed(self) -> tuple[tuple[DomainView, SeenView], ...]:
        """Policies that are news."""
        since = self.days.last - timedelta(days=RECENT - 1)
        return tuple(
            (domain, seen)
            for domain in self.domains
            for seen in domain.policies
            if seen.change and seen.seen.first >= since
        )
