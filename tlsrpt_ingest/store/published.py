"""What domains published, as `posture` saw it: each text from when to when. The memory of a policy's changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, and_, insert, select, update

from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.speaking import speaking

TLSRPT_RECORD: Final = "tlsrpt-record"
STS_RECORD: Final = "sts-record"
STS_POLICY: Final = "sts-policy"
MX: Final = "mx"
TLSA: Final = "tlsa"
"""The kinds of texts. The name of `tlsa` is that of the MX host, of all others the domain's."""

Key = tuple[str, str]
"""Name and kind."""

EDITIONS: Final = 100
"""Editions of one text that are read: a domain that changes its policy every day has three months of them."""


@dataclass(frozen=True, slots=True)
class Edition:
    """A text that was published from `first_at` to `last_at` at least (UTC); None where there certainly was none."""

    text: str | None
    first_at: datetime
    last_at: datetime


History = Mapping[Key, tuple[Edition, ...]]
"""The editions of each text, oldest first; the last one is what was seen last."""


def remember(engine: Engine, texts: Mapping[Key, str | None], now: datetime) -> None:
    """Record what is published `now` (UTC, without zone): as the same edition where the text is the same."""
    row = tables.published.c
    with speaking(engine), writing(engine) as connection:
        for (name, kind), found in sorted(texts.items()):
            # PostgreSQL has no NUL in texts.
            text = None if found is None else found.replace("\0", "\ufffd")
            newest = _editions(connection, name, kind, 1)
            if newest and newest[0].text == text:
                here = and_(row.name == name, row.kind == kind, row.first_at == newest[0].first_at)
                connection.execute(update(tables.published).where(here).values(last_at=now))
            else:
                values = {"name": name, "kind": kind, "text": text, "first_at": now, "last_at": now}
                connection.execute(insert(tables.published).values(values))


def history(engine: Engine, names: Iterable[str]) -> History:
    """Everything remembered of these domains and MX hosts."""
    kinds = (TLSRPT_RECORD, STS_RECORD, STS_POLICY, MX, TLSA)
    with speaking(engine), engine.connect() as connection:
        found = {(name, kind): _editions(connection, name, kind, EDITIONS) for name in names for kind in kinds}
    return {key: editions for key, editions in found.items() if editions}


def _editions(connection: Connection, name: str, kind: str, limit: int) -> tuple[Edition, ...]:
    row = tables.published.c
    asked = (
        select(row.text, row.first_at, row.last_at)
        .where(row.name == name, row.kind == kind)
        .order_by(row.first_at.desc())
        .limit(limit)
    )
    return tuple(Edition(*found) for found in connection.execute(asked))[::-1]
