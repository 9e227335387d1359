"""What files and anchors are called: no name that a stranger invents leads elsewhere, or to what is another one's."""

import hashlib
import re


def domain_page(name: str | None) -> str:
    """The file of a domain's page."""
    return f"domain-{_named(name, 'none')}.html"


def report_page(pk: int) -> str:
    """The file of a report's page."""
    return f"report-{pk}.html"


def failure_anchor(result_type: str) -> str:
    """Where on a domain's page a result type stands."""
    return f"failure-{_named(result_type, '')}"


def _named(name: str | None, nobody: str) -> str:
    if name is None:
        return nobody
    readable = re.sub(r"[^a-z0-9.-]+", "_", name.lower())[:80].strip("._-")
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
