"""Reports explained without a database: every member, each deviation, what each failure means and what to do."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tlsrpt_ingest.mail.deviations import MAIL_DEVIATIONS
from tlsrpt_ingest.output.ledger import signature
from tlsrpt_ingest.output.terminal import say, strange, verbatim
from tlsrpt_ingest.output.text import CELL, clean
from tlsrpt_ingest.rfc8460 import Deviation, FailureDetail, Policy, PolicyEntry, Reading
from tlsrpt_ingest.rfc8460.codes import CODES
from tlsrpt_ingest.rfc8460.explanations import Explanation, Side, explain, explain_policy_type, sts_mode
from tlsrpt_ingest.store.delivery import Delivery

POLICIES: Final = 100
FAILURES: Final = 50
STRINGS: Final = 50
PATHS: Final = 3
"""How much of a report is shown to people: policies, failures of a policy, elements of an array, places of a deviation.
What is left out is counted; the JSON form has everything."""

_COLUMN: Final = 24
"""Where values begin: RFC 8460's longest member of a failure detail has 22 letters."""


def render(console: Console, deliveries: Iterable[Delivery]) -> None:
    """Explain what `ingest.judge` found, one delivery after another."""
    for number, delivery in enumerate(deliveries):
        if number:
            console.print()
        say(console, Text(clean(delivery.origin), style="bold"))
        if delivery.reading:
            _report(console, delivery, delivery.reading)
        elif delivery.failure:
            say(console, clean(str(delivery.failure)), indent=2, label=Text("Rejected: ", style="red"))
            _fields(console, 2, {"stage": delivery.failure.stage, "code": delivery.failure.code, **_mail(delivery)})
        else:
            say(console, "Not a TLS report: nothing in it is one, and nothing calls it one.", indent=2)
            _fields(console, 2, _mail(delivery))


def as_json(deliveries: Iterable[Delivery]) -> list[dict[str, Any]]:
    """The array of `show --json` (docs/reference/json.md)."""
    return [_delivery_json(delivery) for delivery in deliveries]


def meaning(deviation: Deviation) -> str:
    """What a deviation's code says was met, and what was done."""
    return (MAIL_DEVIATIONS if deviation.path == "mail" else CODES).get(deviation.code, "")


def _mail(delivery: Delivery) -> dict[str, str | None]:
    return {
        "From": delivery.sender,
        "Subject": delivery.subject,
        "Message-ID": delivery.message_id,
        "TLS-Report-Submitter": delivery.submitter,
    }


def _report(console: Console, delivery: Delivery, reading: Reading) -> None:
    report = reading.report
    period = report.date_range
    _fields(
        console,
        2,
        {
            "organization-name": report.organization_name or "-",
            "date-range": f"{_utc(period.start_datetime)} to {_utc(period.end_datetime)} UTC",
            "report-id": report.report_id,
            "contact-info": report.contact_info or "-",
            **_mail(delivery),
            **_unknown(report.unknown_members, period.unknown_members),
        },
    )
    if said := delivery.authentication:
        line = signature(said.verdict, said.domain, said.selector, said.reason)
        say(console, line, indent=2, label=Text(f"{'signature':<{_COLUMN}}", style="dim"))
    _deviations(console, reading.deviations)
    if not report.policies:
        say(console, "The report has no policies: no session is reported.", indent=2)
    for entry in report.policies[:POLICIES]:
        console.print()
        _policy(console, entry)
    _more(console, 2, len(report.policies) - POLICIES, "policies")
    types = {(entry.policy.policy_domain, entry.policy.policy_type) for entry in report.policies}
    if len({domain for domain, _type in types}) < len(types):
        console.print()
        say(
            console,
            "The same sessions are counted once under each type of policy: a domain's sessions are the largest of "
            "these counts, not their sum.",
            indent=2,
        )


def _deviations(console: Console, deviations: Sequence[Deviation]) -> None:
    if not deviations:
        return
    console.print()
    say(console, Text("Read in spite of these deviations from RFC 8460", style="yellow"), indent=2)
    paths: dict[tuple[str, str], list[str]] = {}
    for deviation in deviations:
        paths.setdefault((deviation.code, meaning(deviation)), []).append(deviation.path)
    for (code, words), places in paths.items():
        more = len(places) - PATHS
        say(console, f"{clean(code, CELL)}: {words or 'see docs/deviations.md'}", indent=4)
        where = ", ".join(clean(place, CELL) for place in places[:PATHS])
        say(console, f"at {where}{f' and {more} more' if more > 0 else ''}", indent=6)


def _policy(console: Console, entry: PolicyEntry) -> None:
    policy, summary = entry.policy, entry.summary
    failed = summary.total_failure_session_count
    heading = Text.assemble(
        strange(policy.policy_domain or "(no policy-domain)", style="bold"),
        f": sessions succeeded {summary.total_successful_session_count:,}, ",
        (f"failed {failed:,}", "bold red" if failed else "green"),
    )
    say(console, heading, indent=2)
    mode = sts_mode(policy)
    _fields(
        console,
        4,
        {
            "policy-type": f"{policy.policy_type} - {explain_policy_type(policy.policy_type)}",
            "mode": {"enforce": "enforce: no mail without valid TLS", "testing": "testing: only reported"}.get(
                mode or "", mode
            ),
            "policy-string": policy.policy_string,
            "mx-host": policy.mx_host,
            **_unknown(policy.unknown_members, summary.unknown_members, entry.unknown_members),
        },
    )
    for explanation, details in _explained(entry.failure_details[:FAILURES], policy):
        _failures(console, explanation, details)
    _more(console, 4, len(entry.failure_details) - FAILURES, "failure details")
    if failed and not entry.failure_details:
        say(console, "The sender does not say what failed.", indent=4)


def _explained(
    details: Sequence[FailureDetail], policy: Policy
) -> Iterator[tuple[Explanation, Sequence[FailureDetail]]]:
    """Failures with the same result type and explanation together: Google has one for each of its addresses."""
    groups: dict[tuple[str, Explanation], list[FailureDetail]] = {}
    for detail in details:
        groups.setdefault((detail.result_type, explain(detail, policy)), []).append(detail)
    for (_result_type, explanation), group in groups.items():
        yield explanation, group


def _failures(console: Console, explanation: Explanation, details: Sequence[FailureDetail]) -> None:
    console.print()
    count = sum(detail.failed_session_count for detail in details)
    heading = Text.assemble((f"{count:,} x ", "bold red"), strange(details[0].result_type, style="bold red"))
    say(console, heading.append(f" ({side(explanation)})", style="bold"), indent=4)
    say(console, explanation.what, indent=6)
    if explanation.effect:
        say(console, explanation.effect, indent=6)
    say(console, explanation.check, indent=6, label="To do: ")
    for command in explanation.commands:
        verbatim(console, Text(command, style="cyan"), 8)
    for detail in details:
        _way(console, detail)
        _fields(
            console,
            8,
            {
                "failure-reason-code": detail.failure_reason_code,
                "receiving-mx-helo": detail.receiving_mx_helo,
                "additional-information": detail.additional_information,
                **_unknown(detail.unknown_members),
            },
        )


def side(explanation: Explanation) -> str:
    """Whose side a failure is on, for people."""
    return {Side.YOURS: "your side", Side.SENDERS: "the sender's side"}.get(
        explanation.side, "your side or the sender's"
    )


def _way(console: Console, detail: FailureDetail) -> None:
    """How often, from which address, to which host."""
    way = Text()
    if detail.sending_mta_ip:
        way.append_text(Text.assemble(" from ", strange(detail.sending_mta_ip)))
    if detail.receiving_mx_hostname:
        way.append_text(Text.assemble(" to ", strange(detail.receiving_mx_hostname)))
    if detail.receiving_ip:
        way.append_text(Text.assemble(" at " if way else " to ", strange(detail.receiving_ip)))
    if not way:
        way = Text(", no address given")
    say(console, Text.assemble(f"{detail.failed_session_count:,} x", way), indent=6)


def _fields(console: Console, indent: int, fields: Mapping[str, str | Sequence[str] | None]) -> None:
    """Members and their values, those that are there; an array has a line for each element, to be copied whole."""
    for name, value in fields.items():
        label = Text(f"{name:<{_COLUMN}}", style="dim")
        if isinstance(value, str):
            say(console, strange(value, CELL * 2), indent=indent, label=label)
            continue
        values = value or ()
        for number, text in enumerate(values[:STRINGS]):
            shown = strange(text, CELL * 2)
            verbatim(console, Text.assemble(" " * _COLUMN if number else label, shown), indent)
        _more(console, indent + _COLUMN, len(values) - STRINGS, "")


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _unknown(*members: Mapping[str, object]) -> dict[str, str]:
    found = {name: value for one in members for name, value in one.items()}
    return {"unknown members": json.dumps(found, ensure_ascii=False, default=str)} if found else {}


def _more(console: Console, indent: int, count: int, what: str) -> None:
    if count > 0:
        say(console, f"and {count:,} more {what}".rstrip() + ": see them all with --json", indent=indent)


def _delivery_json(delivery: Delivery) -> dict[str, Any]:
    said = delivery.authentication
    shape: dict[str, Any] = {
        "origin": delivery.origin,
        "part": delivery.part,
        "outcome": "report" if delivery.reading else "rejected" if delivery.failure else "not_a_report",
        "stage": delivery.failure.stage if delivery.failure else None,
        "code": delivery.failure.code if delivery.failure else None,
        "reason": str(delivery.failure) if delivery.failure else None,
        "size": delivery.size,
        "digest": delivery.digest.hex(),
        "message_id": delivery.message_id,
        "sender": delivery.sender,
        "subject": delivery.subject,
        "submitter": delivery.submitter,
        "verdict": said and str(said.verdict),
        "signing_domain": said and said.domain,
        "selector": said and said.selector,
        "verdict_reason": said and said.reason,
        "report": None,
        "deviations": [],
        "explanations": [],
    }
    if delivery.reading:
        report = delivery.reading.report
        shape["report"] = report.model_dump(mode="json", by_alias=True)
        shape["deviations"] = [
            {"code": one.code, "path": one.path, "meaning": meaning(one)} for one in delivery.reading.deviations
        ]
        shape["explanations"] = [
            {"path": f"$.policies[{i}].failure-details[{j}]", **explanation_json(explain(detail, entry.policy))}
            for i, entry in enumerate(report.policies)
            for j, detail in enumerate(entry.failure_details)
        ]
    return shape


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """An explanation's members, as in every JSON form."""
    return {
        "what": explanation.what,
        "effect": explanation.effect,
        "side": str(explanation.side),
        "check": explanation.check,
        "commands": list(explanation.commands),
    }
