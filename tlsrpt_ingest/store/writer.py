"""Rows into tables, through the driver: pks of our own, and inserts that leave alone what is there already.

An insert of what may be there (another writer's, or an earlier run's) leaves such rows as they are, and then asks which
of its own pks went in: the same few statements on the three databases, and safe beside any number of other writers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.exc import IntegrityError

from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.rows import Row

PACKET_MARGIN: Final = 64 * 1024
"""Octets of a MariaDB statement beside its one large value."""

VALUES: Final = 999
"""Values of one statement of SQLite: what the oldest versions take. ROWS rows in one statement cost two thirds."""

ROWS: Final = 64

COPY: Final = 10
"""Rows from which on PostgreSQL's COPY, which takes a round trip more, beats INSERT; it costs a quarter a row."""

_NEXT_BLOCK: Final = {
    "postgresql": text("SELECT nextval('pk_block')"),
    "mariadb": text("SELECT NEXTVAL(pk_block)"),
}


class TooLarge(ValueError):
    """A value that the server would refuse by closing the connection, as if it had gone away."""


class Writer:
    """Writes tuples in the order of the tables' columns through a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def take(self, count: int) -> list[int]:
        """Pks that nobody else has."""
        pks: list[int] = []
        if self._dialect == "sqlite":
            columns = (table.c.pk for table in (tables.report, tables.delivery, tables.mailbox))
            start = max(self._connection.scalar(select(func.max(column))) or 0 for column in columns) + 1
            return list(range(start, start + count))
        while len(pks) < count:
            start = self._connection.execute(_NEXT_BLOCK[self._dialect]).scalar_one()
            pks.extend(range(start, start + tables.PK_BLOCK))
        return pks[:count]

    def insert(self, table: Table, rows: list[Row]) -> None:
        """Insert rows whose keys nobody else has."""
        if self._dialect == "postgresql" and len(rows) >= COPY:
            self._copy(table, rows)
        else:
            self._insert(table, rows, new=False)

    def insert_new(self, pks: Sequence[int], table: Table, rows: Mapping[int, Row]) -> set[int]:
        """Insert rows whose key is not there yet, row i having the pk pks[i]; the i of those that went in."""
        if not rows:
            return set()
        if self._dialect == "postgresql" and len(rows) >= COPY and self._copied(table, list(rows.values())):
            return set(rows)
        # MariaDB counts what it left as it was too.
        if self._insert(table, list(rows.values()), new=True) == len(rows) and self._dialect != "mariadb":
            return set(rows)
        index_of = {pks[index]: index for index in rows}
        ordered = sorted(index_of)
        won: set[int] = set()
        # Pks of one block lie together, so that a range names ours and nobody else's.
        for start, end in _ranges(pks):
            if mine := [pk for pk in ordered if start <= pk <= end]:
                found = select(table.c.pk).where(table.c.pk.between(mine[0], mine[-1]))
                won.update(index_of[pk] for pk in self._connection.scalars(found) if pk in index_of)
        return won

    def execute(self, statement: str, rows: list[Row]) -> None:
        """Execute a statement, that has {0} where a value goes, once a row."""
        if rows:
            self._connection.exec_driver_sql(statement.format(mark(self._dialect)), rows)

    def check_packets(self, values: Iterable[bytes | None]) -> None:
        """Refuse what MariaDB would refuse by hanging up: a statement larger than max_allowed_packet."""
        if self._dialect != "mariadb":
            return
        # PyMySQL sends octets as hexadecimal digits.
        largest = 2 * max((len(octets) for octets in values if octets), default=0)
        if largest <= PACKET_MARGIN:
            return
        allowed = int(self._connection.execute(text("SELECT @@max_allowed_packet")).scalar_one())
        if largest > allowed - PACKET_MARGIN:
            raise TooLarge(
                f"it takes a statement of {largest} octets and the server's max_allowed_packet is {allowed}; "
                "raise that, and read the item again"
            )

    def _insert(self, table: Table, rows: list[Row], *, new: bool) -> int:
        """Insert by INSERT; how many rows went in, as the driver counts them."""
        many = min(ROWS, VALUES // len(table.c)) if self._dialect == "sqlite" else 1
        whole = len(rows) // many * many if many > 1 else 0
        went = 0
        for at, flat in ((many, list(_flat(rows[:whole], many))), (1, rows[whole:])):
            if flat:
                statement = _insert_statement(table.name, self._dialect, at, new=new)
                went += self._connection.exec_driver_sql(statement, flat).rowcount
        return went

    def _copy(self, table: Table, rows: list[Row]) -> None:
        columns = ", ".join(table.c.keys())
        # `engine` does it: a statement of ours, so that SQLAlchemy speaks for its errors as for any other's.
        self._connection.exec_driver_sql(f"COPY {table.name} ({columns}) FROM STDIN", rows)

    def _copied(self, table: Table, rows: list[Row]) -> bool:
        """Insert by COPY, which takes all or none; whether none of the keys was there."""
        with self._connection.begin_nested() as nested:
            try:
                self._copy(table, rows)
            except IntegrityError:
                nested.rollback()
                return False
        return True


def _flat(rows: list[Row], many: int) -> Iterator[Row]:
    """The values of each so many rows as those of one statement."""
    for start in range(0, len(rows), many):
        flat: list[Any] = []
        for row in rows[start : start + many]:
            flat += row  # half the time of chain.from_iterable
        yield tuple(flat)


def _ranges(pks: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last of each run of pks that follow one another."""
    starts = [at for at, pk in enumerate(pks) if at == 0 or pk != pks[at - 1] + 1]
    return [(pks[start], pks[end - 1]) for start, end in zip(starts, [*starts[1:], len(pks)], strict=True)]


def mark(dialect: str) -> str:
    """Where a value goes, in a statement for the driver."""
    return "?" if dialect == "sqlite" else "%s"


@cache
def _insert_statement(name: str, dialect: str, rows: int, *, new: bool) -> str:
    """An INSERT of so many rows for the driver: SQLAlchemy's own executemany costs half as much again."""
    columns = tables.metadata.tables[name].c.keys()
    marks = ", ".join([f"({', '.join([mark(dialect)] * len(columns))})"] * rows)
    leave = "ON DUPLICATE KEY UPDATE pk = pk" if dialect == "mariadb" else "ON CONFLICT DO NOTHING"
    # Names of our own tables and columns, and no value.
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES {marks}" + (f" {leave}" if new else "")  # noqa: S608
