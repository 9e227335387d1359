"""What is said of each kind of alert when it began and when it is over, and what to do about it. Pure.

What a stranger wrote stands in quotes, short, on one line, and with what mail programs and chats would make a link, a
mention or markup of shown as an escape.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tlsrpt_ingest.output.show import side
from tlsrpt_ingest.output.summary import rate
from tlsrpt_ingest.output.text import clean
from tlsrpt_ingest.rfc8460.explanations import Explanation, Side, explain_result_type, host_name
from tlsrpt_ingest.store.alerts import Alert

WIDTH: Final = 78
"""Columns of a mail (RFC 5322 section 2.1.1); commands are never broken."""

NAME: Final = 80
TEXT: Final = 300
"""Characters of a stranger's name, and of a stranger's sentence."""

NAMES: Final = 5
"""Senders of one failure that are named."""

_MARKUP = re.compile(r"[<>@\[\]`*|\"]")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell: alerts of one kind about one matter, that began or that are over."""

    over: bool
    alerts: tuple[Alert, ...]
    """At least one; several where senders saw the same failure."""

    @property
    def kind(self) -> str:
        """The kind of all of them."""
        return self.alerts[0].kind

    @property
    def subject(self) -> dict[str, Any]:
        """What the first of them is about."""
        return self.alerts[0].subject


def quoted(words: str | None, length: int = NAME) -> str:
    """A stranger's words in quotes; without a link, a mention or markup in them."""
    if not words:
        return "(no name)"
    shown = clean(words, length)
    return '"' + _MARKUP.sub(lambda found: f"\\x{ord(found[0]):02x}", shown) + '"'


def said(event: Event) -> Iterator[str]:
    """The lines about it, its headline first."""
    yield f"{'OVER' if event.over else 'NEW'}: {headline(event)}"
    for line in _OVER[event.kind](event) if event.over else _NEW[event.kind](event):
        if isinstance(line, _Command):
            yield f"    {line}"
        else:
            yield from textwrap.wrap(
                line, WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip


class _Command(str):
    """A line to be copied whole."""

    __slots__ = ()


def headline(event: Event) -> str:
    """What it is about, in a few words."""
    return _HEADLINES[event.kind](event)


def _rejected_headline(event: Event) -> str:
    count = len(event.alerts)
    return f"{count:,} rejected {'delivery' if count == 1 else 'deliveries'}"


_HEADLINES: Final[Mapping[str, Callable[[Event], str]]] = {
    "failure": lambda event: f"{event.subject['result_type'] or 'failures without a reason'} at {_domain(event)}",
    "failure-rate": lambda event: f"failure rate of {_domain(event)}",
    "policy": lambda event: f"policy of {_domain(event)} ({quoted(event.subject['policy_type'])})",
    "sender": lambda event: f"{quoted(event.subject['organization_name'])} does not report any more",
    "no-report": lambda _event: "no report of anybody",
    "rejected": _rejected_headline,
    "poll": lambda _event: "no poll went well",
    "first-look": lambda _event: "the first look",
}


def _failure(event: Event) -> Iterator[str]:
    sessions = sum(one.subject["sessions"] for one in event.alerts)
    first = min(one.subject["first_day"] for one in event.alerts)
    plural = "" if sessions == 1 else "s"
    yield f"{sessions:,} session{plural} since {first}, says {_names(event)}."
    result_type = event.subject["result_type"]
    if result_type is None:
        yield "The reports have failed sessions and do not say what failed."
        return
    known = next((one.subject["explanation"] for one in event.alerts if "explanation" in one.subject), None)
    if known and "result_type" in known:
        yield f"The sender calls it {quoted(known['result_type'])}."
    explanation = _explanation(known) if known else explain_result_type(result_type)
    yield f"{explanation.what} ({side(explanation)})"
    if explanation.effect:
        yield explanation.effect
    yield f"To do: {explanation.check}"
    yield from map(_Command, explanation.commands)


def _explanation(known: dict[str, Any]) -> Explanation:
    """The explanation that `explanation_json` made JSON of."""
    return Explanation(known["what"], Side(known["side"]), known["check"], tuple(known["commands"]), known["effect"])


def _failure_over(event: Event) -> Iterator[str]:
    last = max(one.subject["over"]["last_day"] for one in event.alerts)
    yield f"The last was on {last}, says {_names(event)}."
    if silent := sum(1 for one in event.alerts if not one.subject["over"]["reported"]):
        yield f"{'It' if silent == len(event.alerts) == 1 else f'{silent} of them'} has not reported since."


def _part(of: dict[str, Any]) -> str:
    return f"{of['failed']:,} of {of['sessions']:,} sessions failed: {rate(of['failed'], of['sessions'])}."


def _failure_rate(event: Event) -> Iterator[str]:
    subject = event.subject
    yield _part(subject)
    yield "To do: see who fails and why:"
    domain = host_name(subject["policy_domain"])
    yield _Command("tlsrpt-ingest summary --since 7d" + (f" --domain {domain}" if domain else ""))


def _failure_rate_over(event: Event) -> Iterator[str]:
    over = event.subject["over"]
    if not over["sessions"]:
        yield "No sessions have been reported for a month."
    else:
        yield _part(over)


def _policy(event: Event) -> Iterator[str]:
    subject = event.subject
    now, before = subject["policy_string"], subject["former"]
    yield f"Senders have seen another policy since {subject['first_day']}."
    yield from (_Command(f"- {quoted(line, TEXT)}") for line in before if line not in now)
    yield from (_Command(f"+ {quoted(line, TEXT)}") for line in now if line not in before)
    yield "To do: nothing if you changed it. If you did not, find out who did: compare what is published."
    domain = host_name(subject["policy_domain"])
    if domain:
        yield _Command(f"tlsrpt-ingest posture {domain}")


def _policy_over(event: Event) -> Iterator[str]:
    settled = event.subject["over"]["settled"]
    yield (
        "Everybody who reported in the last days has seen the new one, and nobody the former."
        if settled
        else f"Nobody has seen the one of {event.subject['first_day']} in the last days."
    )


def _sender(event: Event) -> Iterator[str]:
    subject = event.subject
    yield f"Its last report is of {subject['last_day']}, {subject['silent']} days before the last of all."
    yield (
        "To do: nothing if it has no mail for you any more. If it has, see that its reports are not refused, and not "
        "in a folder that is not polled."
    )


def _sender_over(event: Event) -> Iterator[str]:
    yield f"It does again: there is a report of {event.subject['over']['last_day']}."


def _no_report(event: Event) -> Iterator[str]:
    yield f"The last report is of {event.subject['last_day']}."
    yield (
        "To do: see that the mailbox takes mail (quota, filters, spam folder), that it is the one in your _smtp._tls "
        "record, and that poll reads the folder:"
    )
    yield _Command("tlsrpt-ingest doctor")


def _no_report_over(event: Event) -> Iterator[str]:
    yield f"There is a report of {event.subject['over']['last_day']}."


def _rejected(event: Event) -> Iterator[str]:
    for one in event.alerts[:NAMES]:
        yield f"{quoted(one.subject['origin'], TEXT)}: {quoted(one.subject['reason'], TEXT)}"
    if len(event.alerts) > NAMES:
        yield f"and {len(event.alerts) - NAMES:,} more"
    yield "To do: see what they are. What was rejected stays where it is; after an upgrade it is read again:"
    yield _Command("tlsrpt-ingest ledger --outcome rejected")
    yield _Command("tlsrpt-ingest reprocess")


def _rejected_over(event: Event) -> Iterator[str]:
    del event
    yield "They are read by now, or gone from the ledger."


def _poll(event: Event) -> Iterator[str]:
    subject = event.subject
    yield f"The last that did ended at {subject['done_at']} UTC." if subject["done_at"] else "None ever did."
    if subject["words"]:
        yield f"The last one, on {quoted(subject['host'])}, said: {quoted(subject['words'], TEXT)}"
    yield "To do: see that its timer or cron job runs, and what it says:"
    yield _Command("tlsrpt-ingest doctor")
    yield _Command("systemctl status tlsrpt-ingest.timer tlsrpt-ingest.service")


def _poll_over(event: Event) -> Iterator[str]:
    yield f"One did, at {event.subject['over']['done_at']} UTC."


def _first_look(event: Event) -> Iterator[str]:
    known = ", ".join(f"{_OLD_NEWS[kind][0]}: {count:,}" for kind, count in event.subject.items())
    yield f"Known from before, and not told one by one: {known}. See them with:"
    yield from (_Command(_OLD_NEWS[kind][1]) for kind in event.subject)


_OLD_NEWS: Final[Mapping[str, tuple[str, str]]] = {
    "rejected": ("rejected deliveries", "tlsrpt-ingest ledger --outcome rejected"),
    "policy": ("policies that changed", "tlsrpt-ingest site DIR"),
    "sender": ("silent senders", "tlsrpt-ingest summary"),
}
"""What the first look counts, and what shows it one by one."""


_NEW: Final = {
    "failure": _failure,
    "failure-rate": _failure_rate,
    "policy": _policy,
    "sender": _sender,
    "no-report": _no_report,
    "rejected": _rejected,
    "poll": _poll,
    "first-look": _first_look,
}

_OVER: Final = {
    "failure": _failure_over,
    "failure-rate": _failure_rate_over,
    "policy": _policy_over,
    "sender": _sender_over,
    "no-report": _no_report_over,
    "rejected": _rejected_over,
    "poll": _poll_over,
}


def _names(event: Event) -> str:
    names = [quoted(one.subject["organization_name"]) for one in event.alerts[:NAMES]]
    more = len(event.alerts) - NAMES
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def _domain(event: Event) -> str:
    domain = event.subject["policy_domain"]
    return host_name(domain) or (quoted(domain) if domain else "a domain that is not named")
