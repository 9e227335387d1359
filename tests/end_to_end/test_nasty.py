"""Five hundred nasty items between five hundred good ones cost nobody anything."""

import json
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from tests import builders
from tests.end_to_end.archives import GOOD, good, interleaved, nasty
from tests.installed import Program
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import open_engine


def test_each_has_the_outcome_named_and_every_good_one_is_recorded(
    program: Program, sqlite: str, tmp_path: Path
) -> None:
    mails, named = zip(*nasty(), strict=True)
    assert len(mails) == GOOD
    path = builders.write_mbox(tmp_path / "archive.mbox", interleaved(good(GOOD), mails))
    ran = program("backfill", "--json", "--database", sqlite, path)
    assert ran.status == 0
    assert "Traceback" not in ran.stderr

    engine = open_engine(sqlite)
    order = select(tables.delivery.c.outcome, tables.delivery.c.code).order_by(tables.delivery.c.pk)
    with engine.connect() as connection:
        ledger = [f"{outcome}" for outcome, _code in connection.execute(order)]
    engine.dispose()
    assert ledger[0::2] == ["recorded"] * GOOD
    assert ledger[1::2] == [str(outcome) for outcome in named]

    counts = json.loads(ran.stdout)
    expected = Counter(map(str, named)) + Counter({"recorded": GOOD})
    assert {name: counts[name] for name in expected} == expected
    assert counts["items"] == 2 * GOOD

    strict = program("backfill", "--strict", "--database", sqlite, path)
    assert strict.status == 65


def test_a_bomb_of_a_gibibyte_costs_less_than_50_mib(program: Program, tmp_path: Path) -> None:
    plain = builders.write_mbox(tmp_path / "plain.mbox", [builders.mail()])
    bomb = builders.write_mbox(
        tmp_path / "bomb.mbox", [builders.mail(builders.bomb(1 << 30, head=b'{"report-id":"', fill=b"a"))]
    )
    usual = program.measured("backfill", "--database", f"sqlite:///{tmp_path / 'a.db'}", plain)
    attacked = program.measured("backfill", "--database", f"sqlite:///{tmp_path / 'b.db'}", bomb)
    assert attacked.status == 0
    assert attacked.peak - usual.peak < 50 << 20
