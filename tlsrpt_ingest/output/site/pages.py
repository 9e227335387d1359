"""Templates to pages: everything escaped, nothing invisible, and a Content-Security-Policy that lets nothing else in.

The one way of a stranger's text into HTML: Jinja escapes it, and `_shown` has made visible what no reader would see.
"""

import base64
import hashlib
import re
from collections.abc import Container
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tlsrpt_ingest import __version__
from tlsrpt_ingest.output import show
from tlsrpt_ingest.output.site import charts, content, names
from tlsrpt_ingest.output.site.facts import DomainView, Overview
from tlsrpt_ingest.output.site.folder import MARK
from tlsrpt_ingest.output.summary import rate
from tlsrpt_ingest.output.text import CELL, clean
from tlsrpt_ingest.rfc8460.explanations import explain_policy_type
from tlsrpt_ingest.store.kept import KeptReport

_FOLDER: Final = "tlsrpt_ingest.output.site"


def index(overview: Overview) -> str:
    """The page of all domains."""
    return _page("index.html", overview=overview, days=overview.days)


def domain(view: DomainView, overview: Overview) -> str:
    """The page of one domain."""
    return _page("domain.html", domain=view, overview=overview, days=overview.days)


def report(kept: KeptReport, domains: Container[str | None]) -> str:
    """The page of one report; these domains have a page."""
    return _page("report.html", report=kept, domains=domains)


def _page(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_FOLDER, ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.globals.update(
        style=Markup(style),  # noqa: S704 - the file of ours
        style_digest=digest,
        mark=Markup(f'{MARK} {__version__}">'),  # noqa: S704 - as above
        charts=charts,
        content=content,
        names=names,
        line_end=Markup("\n"),
        explain_policy_type=explain_policy_type,
        meaning=show.meaning,
        rate=rate,
        timedelta=timedelta,
    )
    environment.filters.update(number=_number, short=_short, day=_day, count=_count, side=show.side)
    return environment


def _style() -> str:
    text = files(_FOLDER).joinpath("site.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"\s+", " ", text)).replace(";}", "}").strip()


def _shown(value: Any) -> Any:
    """What an expression in a template becomes before it is escaped."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return clean(value)


def _short(text: str | None, length: int = CELL) -> str:
    return clean(text, length) if text else "-"


def _number(number: int) -> str:
    return f"{number:,}"


def _day(day: date) -> Markup:
    # With hyphens that do not break: a date in a narrow column stays one word.
    return Markup("<time>{}</time>").format(f"{day:%Y-%m-%d}")


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
