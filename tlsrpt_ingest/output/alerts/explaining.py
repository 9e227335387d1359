"""What a new failure means and what to do about it, as the worst example of it explains itself."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from tlsrpt_ingest import limits
from tlsrpt_ingest.output.show import explanation_json
from tlsrpt_ingest.rfc8460.explanations import explain
from tlsrpt_ingest.store.alerts import Alert
from tlsrpt_ingest.store.evidence import OTHER, Evidence, Failing


def explained(evidence: Evidence, alerts: Iterable[Alert], since: date) -> Iterator[Alert]:
    """The alerts, the first limits.ALERTS_LISTED kinds of new failures each with its explanation."""
    done: dict[tuple[Any, Any], dict[str, Any]] = {}
    for one in alerts:
        if one.kind != "failure" or not one.untold or one.subject["result_type"] is None:
            yield one
            continue
        group = (one.subject["policy_domain"], one.subject["result_type"])
        if group not in done and len(done) < limits.ALERTS_LISTED:
            failing = Failing(*(one.subject[name] for name in Failing._fields))
            sample = evidence.sample(failing, since)
            if sample:
                done[group] = explanation_json(explain(*sample))
                if failing.result_type == OTHER:
                    done[group]["result_type"] = sample[0].result_type
        yield replace(one, subject={**one.subject, "explanation": done[group]}) if group in done else one
