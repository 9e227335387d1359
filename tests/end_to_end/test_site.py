"""The site as people have it: in a browser, on a phone, in the dark, by ear, and with reports that want to do harm."""

import os
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import builders
from tests.end_to_end.demonstration import make_demo
from tests.installed import Program
from tests.servers.chromium import Chromium, serving, violations

PAGES = ("index", "domain-example.org-*", "report-*")
"""The three kinds of page."""

PICTURE = (1200, 980)
"""The size of the picture in the README."""


@pytest.fixture(scope="module")
def site(script: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages that `make demo` ends with."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "home").mkdir()
    return make_demo(Program(script, folder / "home"), root, folder / "demo").site


@pytest.fixture(scope="module")
def demo(browser: Browser, site: Path) -> Iterator[Chromium]:
    with serving(browser, site) as chromium:
        yield chromium


def first(site: Path, kind: str) -> str:
    """The name of a page of this kind: of the reports, the largest, which has every failure."""
    return max(site.glob(f"{kind}.html"), key=lambda path: path.stat().st_size).name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_is_quiet_fits_and_can_be_read_by_all(
    demo: Chromium, site: Path, kind: str, width: int, scheme: str
) -> None:
    name = first(site, kind)
    with demo.open(name, width=width, scheme=scheme) as opened:
        assert opened.requests == [f"{demo.url}/{name}"]
        assert opened.complaints == []
        assert opened.overflow == 0
        for details in opened.page.locator("summary").all():
            details.click()
        assert opened.overflow == 0, "with the tables open too"
    with demo.open(name, width=width, scheme=scheme, bypass=True) as opened:
        for details in opened.page.locator("summary").all():
            details.click()
        assert violations(opened) == []


def test_the_style_is_taken_and_nothing_else_would_be(demo: Chromium) -> None:
    with demo.open("index.html") as opened:
        page = opened.page
        assert page.evaluate("getComputedStyle(document.querySelector('figure')).borderRadius") == "8px"
        page.evaluate(
            "for (const [name, html] of [['script', 'window.ran = 1'], ['style', 'body { color: red }']]) {"
            " const one = document.createElement(name); one.textContent = html; document.head.append(one); }"
        )
        assert page.evaluate("window.ran") is None
        assert len(opened.complaints) == 2
        assert all("Content Security Policy" in complaint for complaint in opened.complaints)


def test_links_lead_to_pages(site: Path) -> None:
    for page in site.iterdir():
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r'href="([^"]+)"', text):
            name, _, anchor = target.partition("#")
            aim = (site / name).read_text(encoding="utf-8") if name else text
            assert not anchor or f'id="{anchor}"' in aim, f"{page.name}: {target}"


def test_on_paper_charts_stay_and_what_is_to_be_clicked_goes(demo: Chromium) -> None:
    with demo.open("index.html", scheme="dark") as opened:
        opened.page.emulate_media(media="print")
        assert not opened.page.locator("summary").first.is_visible()
        assert opened.page.locator("figure svg").first.is_visible()
        assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_screenshot_of_the_readme(demo: Chromium, root: Path, tmp_path: Path) -> None:
    width, height = PICTURE
    taken = tmp_path / "site.png"
    with demo.open("index.html", width=width, height=height) as opened:
        opened.page.screenshot(path=taken)
    committed = root / "docs" / "site.png"
    if os.environ.get("TLSRPT_SCREENSHOT"):  # make screenshot
        shutil.copy(taken, committed)
    # Fonts differ from machine to machine, so the pixels are not compared.
    assert png_size(committed) == png_size(taken) == PICTURE
    assert committed.stat().st_size < 200_000
    assert "docs/site.png" in (root / "README.md").read_text(encoding="utf-8")


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


HARM = (
    "<script>window.harmed=1</script>",
    '"><img src=x onerror="window.harmed=1">',
    "' onmouseover='window.harmed=1' autofocus onfocus='window.harmed=1",
    "</style><script>window.harmed=1</script>",
    "--><svg onload=window.harmed=1>",
    "javascript:window.harmed=1",
    "{{ 7 * 191 }}{% raw %}",
    "\x1b[2J\x1b]0;harmed\x07\x9b31m",
    "=cmd|'/C calc'!A1",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "../../../etc/passwd",
    "A" * 900,
    "e" + "\u0301" * 60,
)


@pytest.fixture(scope="module")
def harmed(script: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, str, Path]:
    """The program, a database of reports in which every string wants to do harm, and their site."""
    folder = tmp_path_factory.mktemp("harm")
    (folder / "home").mkdir()
    program = Program(script, folder / "home")
    mails = []
    for number, harm in enumerate(HARM):
        failures = [
            builders.failure(
                result_type,
                3,
                sending_mta_ip=harm,
                receiving_mx_hostname=harm,
                receiving_mx_helo=harm,
                receiving_ip=harm,
                additional_information=harm,
                failure_reason_code=harm,
            )
            for result_type in (harm, "validation-failure")
        ]
        policies = [
            builders.policy(harm, kind, failures=failures, policy_string=[harm, f"mode: {harm}"], mx_host=[harm])
            for kind in ("sts", harm)
        ]
        report = builders.report(
            number, *policies, organization_name=harm, contact_info=harm, report_id=f"{harm}{number}", unknown=harm
        )
        header = re.sub(r"[\x00-\x1f\x7f-\uffff]", "?", harm)
        octets = builders.gzipped(builders.document(report))
        mails.append(builders.mail(octets, number=number, subject=header, submitter="reporter.example"))
        mails.append(builders.mail(octets[:50], number=100 + number, subject=header, filename=f"{header[:60]}.json.gz"))
    archive = builders.write_mbox(folder / "harm.mbox", mails)
    database = f"sqlite:///{folder / 'harm.db'}"
    assert program("backfill", "--database", database, archive).status == 0
    ran = program("site", "--database", database, folder / "site")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")
    return program, database, folder / "site"


def test_nothing_that_a_stranger_wrote_is_run_or_breaks_a_page(
    browser: Browser, harmed: tuple[Program, str, Path]
) -> None:
    _, _, site = harmed
    names = sorted(path.name for path in site.iterdir())
    assert len(names) > 2 * len(HARM)
    with serving(browser, site) as chromium:
        for name in names:
            with chromium.open(name, width=360) as opened:
                assert opened.complaints == [], name
                assert opened.requests == [f"{chromium.url}/{name}"]
                assert opened.page.evaluate("window.harmed") is None
                strange = "script, img, iframe, form, input, [onerror], [onload], [onmouseover], [style], svg svg svg"
                assert opened.page.locator(strange).count() == 0
                assert opened.page.locator("style, main, footer, title").count() == 4
                assert opened.overflow == 0, name
    text = "".join((site / name).read_text(encoding="utf-8") for name in names)
    assert "1337" not in text, "no template in a stranger's text"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", text)
    assert r"\u202egnp.exe" in text, "shown as an escape"


def test_nor_acts_on_the_terminal(harmed: tuple[Program, str, Path]) -> None:
    program, database, _ = harmed
    ran = program("summary", "--database", database)
    assert ran.status == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", ran.stdout)
    assert max(map(len, ran.stdout.splitlines())) < 250
