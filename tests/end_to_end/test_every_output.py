"""Nasty reports through every output: each medium gets text, and nothing that it would act upon."""

import csv
import html.parser
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import builders
from tests.installed import Program
from tlsrpt_ingest.rfc8460.terms import RESULT_TYPES

TODAY = (datetime.now(UTC) - datetime(2024, 1, 1, tzinfo=UTC)).days - 1
"""The number of yesterday's report, so that it is news for whoever asks for what is new."""

NASTY = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"><img src=x onerror=alert(1)>' onload='alert(1)",
    "escape": "\x1b[2J\x1b]0;owned\x07\x9b31m\x85\x7f\r\n\t\b",
    "bidi": "\u202egnp.exe\u2066\u200b\u200f\u2028\ufeff\u00ad\U000e0041",
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1-1@SUM(A1)\t=1",
    "sql": "'; DROP TABLE report; --",
    "template": "{{ 7*7 }}{% raw %}${7*7}#{7*7}",
    "markup": "[bold]red[/bold] [link=https://evil.example]x[/link] **b** [a](https://evil.example) @everyone",
    "path": "../../../../etc/passwd\0.html",
    "label": 'a"} 1\nowned{b="c',
    "long": "x" * 60_000,
}


COUNTS = {"reports": len(NASTY), "policies": 3 * len(NASTY), "failures": 3 * len(NASTY)}


def visible(text: str) -> bool:
    """Nothing but printable characters and line ends."""
    return all(
        letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        for letter in text
    )


class Page(html.parser.HTMLParser):
    """The elements of a page with their attributes, and all its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def report(nasty: str) -> dict[str, Any]:
    """A report in which every string is `nasty`."""
    detail = builders.failure(
        nasty,
        sending_mta_ip=nasty,
        receiving_mx_hostname=nasty,
        receiving_mx_helo=nasty,
        receiving_ip=nasty,
        additional_information=nasty,
        failure_reason_code=nasty,
    )
    entries = [
        builders.policy(nasty, nasty, failures=[detail], policy_string=[nasty], mx_host=[nasty]),
        builders.policy(nasty, failures=[detail], policy_string=[nasty], mx_host=[nasty]),
        builders.policy(failures=[detail]),
    ]
    return builders.report(
        TODAY, *entries, organization_name=nasty, contact_info=nasty, report_id=nasty, **{nasty: nasty}
    )


def broken(nasty: str) -> bytes:
    """A mail of which nothing can be read, with `nasty` in its header."""
    encoded = "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in nasty[:200].encode()) + "?="
    return builders.mail(b"\x1f\x8b\x08 broken", subject=encoded, submitter=encoded, message_id=encoded)


class Site:
    """A database that holds a report and a rejected mail of each kind of nastiness."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.url = f"sqlite:///{folder / 'x.db'}"
        self.archive = folder / "archive"
        self.archive.mkdir()
        for name, nasty in NASTY.items():
            (self.archive / f"{name}.json").write_text(json.dumps(report(nasty)), encoding="utf-8")
            (self.archive / f"{name}.eml").write_bytes(broken(nasty))
        counts = json.loads(self("backfill", self.archive, as_json=True))
        assert (counts["recorded"], counts["rejected"]) == (len(NASTY), len(NASTY))

    def __call__(self, *words: str | Path, as_json: bool = False) -> str:
        """What a command prints, when it ended well."""
        ran = self.program(words[0], "--database", self.url, *words[1:], *(["--json"] if as_json else []))
        assert ran.status == 0, ran.stderr
        assert "Traceback" not in ran.stderr
        assert visible(ran.stderr)
        return ran.stdout


@pytest.fixture
def site(program: Program, tmp_path: Path) -> Site:
    return Site(program, tmp_path)


def values(shape: Any) -> Iterator[Any]:
    """Every value in a JSON value."""
    yield shape
    for inner in shape.values() if isinstance(shape, dict) else shape if isinstance(shape, list) else ():
        yield from values(inner)


def test_nasty_reports_through_every_output(site: Site) -> None:
    _terminal(site)
    _json(site)
    _html(site)
    _csv(site)
    _metrics(site)
    assert json.loads(site("summary", as_json=True))["reports"] == len(NASTY)


def _terminal(site: Site) -> None:
    shown = site.program("show", site.archive)
    assert shown.status == 0
    for text in (shown.stdout, shown.stderr, site("summary"), site("ledger"), site("alerts", "--dry-run")):
        assert text or text is shown.stderr
        assert visible(text)
    assert visible(site("alerts"))


def _json(site: Site) -> None:
    shown = site.program("show", "--json", site.archive).stdout
    rows = [json.loads(line) for line in site("ledger", as_json=True).splitlines()]
    for shape in (json.loads(shown), rows):
        found = {value for value in values(shape) if isinstance(value, str)}
        for nasty in NASTY.values():
            assert any(nasty.replace("\0", "\ufffd").strip()[:100] in value for value in found), nasty
    assert visible(shown)
    for name, count in COUNTS.items():
        lines = site("export", name, "--format", "jsonl").splitlines()
        assert len(lines) == count
        assert all(visible(line) and isinstance(json.loads(line), dict) for line in lines)


def _html(site: Site) -> None:
    folder = site.folder / "site"
    site("site", folder)
    pages = sorted(folder.rglob("*"))
    assert len(pages) > 2
    for path in pages:
        assert path.parent == folder, "no name leads elsewhere"
        assert visible(path.name)
        page = Page(text := path.read_text(encoding="utf-8"))
        assert visible(text)
        for tag, attributes in page.elements:
            assert tag not in ("script", "img", "iframe", "object", "embed", "form", "base", "link")
            assert not any(name.startswith("on") or name == "style" for name in attributes)
            for name in ("href", "src", "action"):
                target = attributes.get(name) or ""
                assert not re.match("[a-z]+:|/", target, re.IGNORECASE), "it leads out of the folder"
                assert visible(target)


def _csv(site: Site) -> None:
    for name, count in COUNTS.items():
        text = site("export", name, "--format", "csv")
        assert visible(text.replace("\r\n", "\n"))
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        assert len(rows) == count
        for row in rows:
            assert len(row) == len(header)
            assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in row)


def _metrics(site: Site) -> None:
    text = site("metrics", "-")
    assert visible(text)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert samples
    assert all(sample.name.startswith("tlsrpt_") for sample in samples)
    types = {sample.labels["result_type"] for sample in samples if "result_type" in sample.labels}
    assert types <= {*RESULT_TYPES, "other"}
