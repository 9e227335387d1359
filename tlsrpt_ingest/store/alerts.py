"""What `alerts` has told and has yet to tell: rows that begin, are over, and are claimed by whoever tells them.

Several may do so at once. What one has claimed no other tells, until the claim has run out: whoever held it has died,
and may have told it or not.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.json_text import dumps
from tlsrpt_ingest.store.persevering import persevering
from tlsrpt_ingest.store.speaking import speaking

CLAIM: Final = timedelta(minutes=30)
"""How long one may take to tell: each outlet has a time limit of at most five minutes."""

MEMORY: Final = timedelta(days=90)
"""How long what is over and told is remembered."""

KEYS: Final = 500
"""Keys of one statement."""

Outlets = frozenset[str]
"""Names of outlets, which have no blanks in them."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that began, and may be over. Times are UTC, without a zone."""

    identity: bytes
    """16 octets (`identity`)."""
    kind: str
    subject: dict[str, Any]
    """What it is about and what is to be said of it, as JSON values; the strings may be a stranger's."""
    began_at: datetime
    over_at: datetime | None = None
    untold: Outlets = frozenset()
    """The outlets that have not been told that it began."""
    untold_over: Outlets = frozenset()
    """The outlets that have not been told that it is over."""


def identity(kind: str, *key: str | int | None) -> bytes:
    """16 octets of SHA-256 over what makes an alert this one and no other."""
    return hashlib.sha256(dumps([kind, *key]).encode()).digest()[:16]


def known(engine: Engine) -> dict[bytes, Alert]:
    """Every alert that is remembered, by identity."""
    with speaking(engine), engine.connect() as connection:
        return {row.identity: row for row in map(_alert, connection.execute(select(tables.alert)).mappings())}


def enter(engine: Engine, began: Sequence[Alert], again: Sequence[Alert], over: Sequence[Alert]) -> None:
    """Commit what began for the first time, what began again after it was over, and what is over.

    Another process that saw the same and was faster makes no difference.
    """
    table = tables.alert

    def once() -> None:
        with writing(engine) as connection:
            there = _there(connection, [one.identity for one in began])
            rows = [_row(one) for one in began if one.identity not in there]
            if rows:
                connection.execute(insert(table), rows)
            for one in again:
                connection.execute(
                    update(table)
                    .where(table.c.identity == one.identity, table.c.over_at.is_not(None))
                    .values(
                        subject=one.subject, began_at=one.began_at, over_at=None, untold=_text(one.untold),
                        untold_over="",
                    )
                )  # fmt: skip
            for one in over:
                connection.execute(
                    update(table)
                    .where(table.c.identity == one.identity, table.c.over_at.is_(None))
                    .values(subject=one.subject, over_at=one.over_at, untold_over=_text(one.untold_over))
                )

    with speaking(engine):
        try:
            persevering(once)
        except IntegrityError:  # the other was faster between our two statements
            persevering(once)


def claim(engine: Engine, now: datetime) -> list[Alert]:
    """Take what some outlet has not been told and nobody else is telling."""
    table = tables.alert
    free = or_(table.c.claimed_until.is_(None), table.c.claimed_until <= now)

    def once() -> list[Alert]:
        with writing(engine) as connection:
            asked = select(table).where(_pending(), free).order_by(table.c.identity).with_for_update()
            mine = [_alert(row) for row in connection.execute(asked).mappings()]
            _each(connection, mine, claimed_until=now + CLAIM)
            return mine

    with speaking(engine):
        return persevering(once)


def told(engine: Engine, began: Sequence[Alert], over: Sequence[Alert], outlet: str) -> None:
    """Commit that an outlet took what began and what is over, of what is claimed."""

    def once() -> None:
        with writing(engine) as connection:
            for untold, group in _grouped((one.identity, one.untold - {outlet}) for one in began):
                _each(connection, group, untold=_text(untold))
            for untold, group in _grouped((one.identity, one.untold_over - {outlet}) for one in over):
                _each(connection, group, untold_over=_text(untold))

    with speaking(engine):
        persevering(once)


def release(engine: Engine, alerts: Sequence[Alert], now: datetime) -> None:
    """Give back what was claimed, told or not, and forget what was over long ago."""
    table = tables.alert

    def once() -> None:
        with writing(engine) as connection:
            _each(connection, alerts, claimed_until=None)
            connection.execute(delete(table).where(~_pending(), table.c.over_at < now - MEMORY))

    with speaking(engine):
        persevering(once)


def _there(connection: Connection, keys: Sequence[bytes]) -> set[bytes]:
    column = tables.alert.c.identity
    return {
        key
        for start in range(0, len(keys), KEYS)
        for key in connection.scalars(select(column).where(column.in_(keys[start : start + KEYS])))
    }


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "identity": alert.identity,
        "kind": alert.kind,
        "subject": alert.subject,
        "began_at": alert.began_at,
        "over_at": alert.over_at,
        "untold": _text(alert.untold),
        "untold_over": _text(alert.untold_over),
    }


def _pending() -> Any:
    return or_(tables.alert.c.untold != "", tables.alert.c.untold_over != "")


def _each(connection: Connection, alerts: Sequence[Alert] | Sequence[bytes], **values: Any) -> None:
    keys = sorted(one.identity if isinstance(one, Alert) else one for one in alerts)
    for start in range(0, len(keys), KEYS):
        some = tables.alert.c.identity.in_(keys[start : start + KEYS])
        connection.execute(update(tables.alert).where(some).values(values))


def _grouped(pairs: Iterable[tuple[bytes, Outlets]]) -> Iterable[tuple[Outlets, list[bytes]]]:
    groups: dict[Outlets, list[bytes]] = {}
    for key, outlets in pairs:
        groups.setdefault(outlets, []).append(key)
    return groups.items()


def _text(outlets: Outlets) -> str:
    return " ".join(sorted(outlets))


def _alert(row: Any) -> Alert:
    return Alert(
        row["identity"],
        row["kind"],
        row["subject"],
        row["began_at"],
        row["over_at"],
        frozenset(row["untold"].split()),
        frozenset(row["untold_over"].split()),
    )
