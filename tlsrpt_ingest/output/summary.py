"""How TLS to each domain went, in one screenful: sessions, failures with their meaning, senders, what needs a look.

A terminal gets sparklines beside the words; a pipe, a file and a mail from cron get the words alone.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.show import side
from tlsrpt_ingest.output.stretches import squeezed
from tlsrpt_ingest.output.terminal import say, show_table, strange, table, verbatim
from tlsrpt_ingest.rfc8460.explanations import explain_result_type
from tlsrpt_ingest.store.ask import DaySessions, DomainTotal, Failures, SenderTotal, Totals

DOMAINS: Final = 10
FAILING: Final = 5
KINDS: Final = 3
NAMES: Final = 3
SENDERS: Final = 8
"""Domains, domains whose failures are explained, kinds of failure of one, senders of a kind, and senders that are
shown; the JSON form has all."""

RECENT: Final = 7
"""Days that are set against as many before."""

SPARKS: Final = "▁▂▃▄▅▆▇█"
SPARK: Final = (14, 28)
"""Columns of a sparkline at least and at most; where there are more days, a column stands for several."""

NUMBERS: Final = 48
"""Columns of the table of domains beside their names, and beside the sparklines."""

SILENT: Final = 7
REGULAR: Final = 5
"""Days without a report, before the last day that anybody reported, after which a sender is called silent, and how many
reports it sent before that. Senders report once a day, Stalwart at most once a week."""

_REFUSED: Final = {
    Outcome.UNAUTHENTICATED: "with nobody to vouch",
    Outcome.FOREIGN: "about others' domains",
}


def render(console: Console, totals: Totals, *, chosen: bool = False) -> None:
    """Print the summary; `chosen` says that it is one of some days or of one domain."""
    if totals.reports:
        _reports(console, totals)
    elif chosen:
        say(console, "No reports of these days and this domain. See all of them with: tlsrpt-ingest summary")
    else:
        say(console, "No reports. Read some with: tlsrpt-ingest backfill PATH")
    if totals.conflicting or totals.rejected or totals.refused:
        console.print()
    if totals.conflicting:
        say(
            console, f"{_count(totals.conflicting, 'report')} not counted, for one of the same identity says otherwise:"
        )
        verbatim(console, "tlsrpt-ingest ledger --outcome conflicting", 2)
    for outcome, why in _REFUSED.items():
        if count := totals.refused.get(outcome):
            say(console, f"{_count(count, 'report')} not counted, {why}:")
            verbatim(console, f"tlsrpt-ingest ledger --outcome {outcome}", 2)
    if totals.rejected:
        text = f"{_count(totals.rejected, 'delivery', 'deliveries')} could not be read:"
        say(console, Text(text, style="yellow"))
        verbatim(console, "tlsrpt-ingest ledger --outcome rejected", 2)


def as_json(totals: Totals) -> dict[str, Any]:
    """The object of `summary --json` (docs/reference/json.md)."""
    return {
        "first_day": _iso(totals.first_day),
        "last_day": _iso(totals.last_day),
        "reports": totals.reports,
        "conflicting": totals.conflicting,
        "rejected": totals.rejected,
        **{str(outcome): totals.refused.get(outcome, 0) for outcome in _REFUSED},
        "days": _days_json(totals.days),
        "domains": [
            {
                "policy_domain": domain.policy_domain,
                "successful": domain.successful,
                "failed": domain.failed,
                "days": _days_json(domain.days),
                "failures": [
                    {
                        "result_type": one.result_type,
                        "organization_name": one.organization_name,
                        "sessions": one.sessions,
                        "what": explain_result_type(one.result_type).what,
                        "side": str(explain_result_type(one.result_type).side),
                    }
                    for one in domain.failures
                ],
            }
            for domain in totals.domains
        ],
        "senders": [
            {"organization_name": one.organization_name, "reports": one.reports, "latest": f"{one.latest.isoformat()}Z"}
            for one in totals.senders
        ],
    }


def _reports(console: Console, totals: Totals) -> None:
    days = f"{totals.first_day} to {totals.last_day}" if totals.first_day != totals.last_day else f"{totals.last_day}"
    say(console, f"{days} (UTC): {_count(totals.reports, 'report')} from {_count(len(totals.senders), 'sender')}")
    if lately := _lately(totals):
        say(console, lately)
    console.print()
    made = table("Domain", "Sessions", "Succeeded", "Failed", "Rate", right=("Sessions", "Succeeded", "Failed", "Rate"))
    # Trouble first: a small domain that fails is not to be hidden behind ten large ones that do not.
    domains = sorted(totals.domains, key=lambda domain: -domain.failed)
    if columns := _columns(console, totals, domains[:DOMAINS]):
        made.add_column("Day by day", no_wrap=True)
    for domain in domains[:DOMAINS]:
        sessions = domain.successful + domain.failed
        style = "bold red" if domain.failed else "green"
        made.add_row(
            _domain(domain),
            f"{sessions:,}",
            f"{domain.successful:,}",
            Text(f"{domain.failed:,}", style=style),
            Text(rate(domain.failed, sessions), style=style),
            *([_sparklines(domain, totals, columns)] if columns else ()),
        )
    show_table(console, made)
    _more(console, len(domains) - DOMAINS, "domain", "domains")
    failing = [domain for domain in domains if domain.failures or domain.failed]
    for domain in failing[:FAILING]:
        console.print()
        _failing(console, domain)
    _more(console, len(failing) - FAILING, "domain with failures", "domains with failures")
    if not failing:
        console.print()
        say(console, Text("No failures.", style="green"))
    console.print()
    made = table("Sender", "Reports", "Last report", right=("Reports",))
    for sender in totals.senders[:SENDERS]:
        made.add_row(strange(sender.organization_name or "(no name)"), f"{sender.reports:,}", _last(sender, totals))
    show_table(console, made)
    _more(console, len(totals.senders) - SENDERS, "sender", "senders")


def _failing(console: Console, domain: DomainTotal) -> None:
    say(console, Text.assemble("Failures to ", _domain(domain, style="bold"), _when(domain)))
    kinds: dict[str, list[Failures]] = {}
    for one in domain.failures:
        kinds.setdefault(one.result_type, []).append(one)
    if not kinds:
        say(console, "The senders do not say what failed.", indent=2)
    for result_type, group in list(kinds.items())[:KINDS]:
        count = sum(one.sessions for one in group)
        heading = Text.assemble((f"{count:,} x ", "red"), strange(result_type, style="red"), _names(group))
        say(console, heading, indent=2)
        explanation = explain_result_type(result_type)
        say(console, f"{explanation.what} ({side(explanation)})", indent=4)
    _more(console, len(kinds) - KINDS, "kind of failure", "kinds of failure")


def _when(domain: DomainTotal) -> str:
    """On how many of the days with reports something failed, and when last."""
    failing = [one for one in domain.days if one.failed]
    if not failing:
        return ""
    return f" on {len(failing):,} of {_count(len(domain.days), 'day')}, the last on {failing[-1].day}"


def _lately(totals: Totals) -> str:
    """The last days against those before, where there are as many."""
    if totals.last_day is None or totals.first_day is None or not totals.days:
        return ""
    begin = totals.last_day - timedelta(days=RECENT - 1)
    before = begin - timedelta(days=RECENT)
    if totals.first_day > before:
        return ""
    last = _sums(one for one in totals.days if one.day >= begin)
    previous = _sums(one for one in totals.days if before <= one.day < begin)
    return f"The last {RECENT} days: {_went(*last)}; the {RECENT} before: {_went(*previous)}"


def _sums(days: Iterable[DaySessions]) -> tuple[int, int]:
    """Sessions, and those that failed."""
    listed = list(days)
    return sum(one.successful + one.failed for one in listed), sum(one.failed for one in listed)


def _went(sessions: int, failed: int) -> str:
    return (
        f"{_count(sessions, 'session')}, {f'{failed:,} failed ({rate(failed, sessions)})' if failed else 'none failed'}"
    )


def _columns(console: Console, totals: Totals, domains: Sequence[DomainTotal]) -> int:
    """How wide sparklines can be; 0 where there are to be none."""
    names = max((_domain(domain).cell_len for domain in domains), default=0)
    room = min(console.width - names - NUMBERS, SPARK[1])
    drawn = console.is_terminal and console.encoding.startswith("utf") and room >= SPARK[0]
    return room if drawn and len(totals.days) > 1 else 0


def _sparklines(domain: DomainTotal, totals: Totals, columns: int) -> Text:
    """Sessions of each day, and below them the failures where there are any."""
    if totals.first_day is None or totals.last_day is None:
        return Text()
    count = (totals.last_day - totals.first_day).days + 1
    sessions, failed = [0] * count, [0] * count
    for one in domain.days:
        place = (one.day - totals.first_day).days
        sessions[place] = one.successful + one.failed
        failed[place] = one.failed
    lines = [Text(sparkline(sessions, columns), style="green")]
    if domain.failed:
        lines.append(Text(sparkline(failed, columns), style="red"))
    return Text("\n").join(lines)


def sparkline(numbers: Sequence[int], columns: int) -> str:
    """The numbers as blocks, a blank for 0, in at most so many columns."""
    sums = squeezed(numbers, columns)
    highest = max(sums, default=0)
    # Whatever is more than nothing is to be seen.
    return "".join(SPARKS[-(-len(SPARKS) * number // highest) - 1] if number > 0 else " " for number in sums)


def _days_json(days: Iterable[DaySessions]) -> list[dict[str, Any]]:
    return [{"day": one.day.isoformat(), "successful": one.successful, "failed": one.failed} for one in days]


def _names(group: Iterable[Failures]) -> Text:
    """The senders of a failure, in brackets: the first few by name, each with its sessions."""
    listed = list(group)
    names = Text(", ").join(
        Text.assemble(strange(one.organization_name or "(no name)", 60), f" {one.sessions:,}") for one in listed[:NAMES]
    )
    return Text.assemble(" (", names, f" and {len(listed) - NAMES} more" if len(listed) > NAMES else "", ")")


def rate(failed: int, sessions: int) -> str:
    """The failures in per cent, never rounded to none or all where it is not."""
    if failed in (0, sessions):
        return "100 %" if failed else "0 %"
    tenths = round(1000 * failed / sessions)
    if not tenths:
        return "<0.1 %"
    return ">99.9 %" if tenths == 1000 else f"{tenths / 10:.1f} %"  # noqa: PLR2004 - a thousand thousandths


def silence(reports: int, latest: date, last: date) -> int:
    """Days from a sender's latest report to the last report of all; 0 where that is no silence, or no news."""
    days = (last - latest).days
    return days if days >= SILENT and reports >= REGULAR else 0


def _domain(domain: DomainTotal, style: str = "") -> Text:
    return strange(domain.policy_domain or "(no domain named)", style=style)


def _last(sender: SenderTotal, totals: Totals) -> Text:
    day = sender.latest.date()
    if totals.last_day and (silent := silence(sender.reports, day, totals.last_day)):
        return Text(f"{day}, silent for {silent} days", style="yellow")
    return Text(str(day))


def _more(console: Console, count: int, one: str, many: str) -> None:
    if count > 0:
        say(console, f"and {count:,} more {one if count == 1 else many}: see them all with --json", indent=2)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
