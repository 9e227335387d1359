"""docs/deviations.md says of each of the 91 entries what our samples show."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from tests.wild.mail.mails import CASES
from tlsrpt_ingest.mail.deviations import MAIL_DEVIATIONS
from tlsrpt_ingest.rfc8460 import CODES

ROOT = Path(__file__).parents[2]
ROWS = {
    int(cells[1]): [cell.strip() for cell in cells[1:-1]]
    for line in (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8").splitlines()
    if (cells := line.split("|"))[1:] and cells[1].strip().isdigit()
}
CODE = re.compile(r"`([a-z0-9-]+)`")


def shown() -> dict[int, set[str]]:
    """By entry: the codes of deviation that its samples have."""
    found: dict[int, set[str]] = defaultdict(set)
    expected = tomllib.loads((ROOT / "tests/wild/documents/expected.toml").read_text(encoding="utf-8"))
    for name, sample in expected.items():
        found[int(name[:3])] |= {deviation.split(" ")[0] for deviation in sample.get("deviations", ())}
    for name, case in CASES.items():
        if not name[0].isdigit():
            continue
        said = {code for document in case.documents for code in document.split()}
        found[int(name.partition("-")[0])] |= {code for code in said if not code.startswith("!")}
    return found


SHOWN = shown()


def test_every_entry_is_there_once_and_in_order() -> None:
    assert list(ROWS) == list(range(1, 92))
    assert all(all(cells) for cells in ROWS.values())


@pytest.mark.parametrize("entry", range(1, 91))
def test_an_entry_has_its_sample_and_names_its_codes(entry: int) -> None:
    _number, _deviation, _senders, answer, sample = ROWS[entry]
    assert entry in SHOWN, "no sample"
    documents = [*(ROOT / "tests/wild/documents").glob(f"{entry:03}-*")]
    assert sample == (f"`documents/{entry:03}-*`" if documents else f"`mail`, `{entry}-*`")
    assert re.search(r"accepted|repaired|refused", answer)
    assert SHOWN[entry] <= set(CODE.findall(answer))


def test_the_entries_name_every_code_and_no_other() -> None:
    named = {code for cells in ROWS.values() for code in CODE.findall(cells[3])}
    assert named == {*CODES, *MAIL_DEVIATIONS}
