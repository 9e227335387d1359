"""Deliveries for tests of the store: as `ingest.judge` would make them of the reports that `tests.builders` builds."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from tests import builders
from tests.builders import JsonObject
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.rfc8460 import Deviation, read
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.delivery import Delivery

moment = datetime.fromisoformat
"""A moment as the database has it: UTC, without a zone."""


def delivery(number: int = 0, body: JsonObject | None = None, *, item: int | None = None, **changes: Any) -> Delivery:
    """A mail (`item`, by default `number`) that brings the report `number`, or `body`."""
    text = builders.document(builders.report(number) if body is None else body)
    item = number if item is None else item
    return replace(
        Delivery(
            item=b"item" + item.to_bytes(12),
            part=0,
            origin=f"file:///srv/archive.mbox#{item}",
            digest=hashlib.sha256(text).digest(),
            size=len(text),
            message_id=f"<{item}@reporter.example>",
            sender="noreply-tls-reports@reporter.example",
            subject=f"Report Domain: example.com Submitter: reporter.example Report-ID: <{number}>",
            submitter="reporter.example",
            reading=replace(read(text), deviations=(Deviation("some-deviation", "$.policies[0]"),)),
            document=builders.gzipped(text),
        ),
        **changes,
    )


def rejected(item: int, reason: str = "the gzip stream ends early", **changes: Any) -> Delivery:
    """A mail whose report cannot be read."""
    failure = Unreadable("inflate", "truncated-gzip", reason)
    return delivery(item=item, **{"reading": None, "document": None, "failure": failure, **changes})


def other(item: int, **changes: Any) -> Delivery:
    """A mail that is no report."""
    return delivery(item=item, **{"reading": None, "document": None, "submitter": None, **changes})


def contents(engine: Engine, *leave: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without the columns to `leave` and with pks replaced by what they stand for."""
    with engine.connect() as connection:
        names = {None: None, **_names(connection)}
        return {
            table.name: sorted(_rows(connection, table, names, leave), key=repr)
            for table in tables.metadata.sorted_tables
        }


def _rows(
    connection: Connection, table: Table, names: dict[int | None, bytes | None], leave: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    for row in connection.execute(select(table)).mappings():
        yield tuple(
            (column, names[value] if column in ("report_pk", "conflicts_with") else value)
            for column, value in row.items()
            if column not in ("pk", "mailbox_pk", *leave)
        )


def _names(connection: Connection) -> dict[int | None, bytes | None]:
    rows = connection.execute(select(tables.report.c.pk, tables.report.c.identity))
    return {row.pk: row.identity for row in rows}
