"""What a database's error means, for the program (retry it, blame the data, stop) and in words for a person.

Drivers disagree about classes, so the SQLSTATE (PostgreSQL) or the error number (MariaDB) decides where there is one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    SQLAlchemyError,
)

from tlsrpt_ingest.errors import IngestError, LoginRefused, Misconfigured, Unavailable

WORDS: Final = 300
"""Characters of a database's own message that we repeat: it may quote a stranger's value."""

_TRANSIENT: Final = frozenset(
    {
        *("40001", "40P01", "55P03"),  # PostgreSQL: serialization failure, deadlock, lock not available
        *(1213, 1205, 1020),  # MariaDB: deadlock, lock wait timeout, record has changed since last read
        *("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY_RECOVERY"),
    }
)

_OF_THE_DATA: Final = frozenset(
    {
        *(1118, 1153, 1301, 1366, 4025),  # MariaDB: row or packet too large, octets that are no text, constraint
        *("SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_CONSTRAINT"),
    }
)

_CLASSES_OF_THE_DATA: Final = ("22", "23", "54")
"""SQLSTATE classes: data exception, integrity constraint violation, program limit exceeded (an index row too large)."""

_Kind = tuple[frozenset[str | int], tuple[str, ...]]

_LOGIN: Final[_Kind] = (
    frozenset({"28P01", "28000", 1045, 1698}),
    # libpq gives no SQLSTATE for a connection that was refused.
    (
        "password authentication failed",
        "no password supplied",
        "no pg_hba.conf entry",
        'role "',
        "authentication failed",
    ),
)
_FULL: Final[_Kind] = (
    frozenset({"53300", 1040, 1203, 1226}),
    # Of a role or of a database, whose names stand in the words: to be looked for before those below.
    ("too many connections", "remaining connection slots are reserved"),
)
_DATABASE: Final[_Kind] = (
    frozenset({"3D000", "42501", 1044, 1049, 1142}),
    ('database "', "permission denied for"),
)


def is_transient(error: Exception) -> bool:
    """Whether the same transaction may well succeed when it is tried again at once."""
    return isinstance(error, DBAPIError) and _code(error) in _TRANSIENT


def is_of_the_data(error: Exception) -> bool:
    """Whether the values are to blame: some row of the batch cannot be stored, the others can."""
    if not isinstance(error, DBAPIError):
        # What a driver, or a model that nobody validated, raises before anything is sent: 2**63, a lone surrogate.
        return isinstance(error, ValueError | TypeError | ArithmeticError) and not isinstance(error, SQLAlchemyError)
    if error.connection_invalidated or is_transient(error):
        return False
    code = _code(error)
    if isinstance(code, str) and not code.startswith("SQLITE") and code[:2] in _CLASSES_OF_THE_DATA:
        return True
    if isinstance(error, ProgrammingError | InterfaceError):
        return code is None or code == "SQLITE_MISUSE"  # the driver cannot adapt a value; the server was not asked
    return isinstance(error, DataError | IntegrityError) or code in _OF_THE_DATA


@contextmanager
def speaking(place: Engine | URL | str) -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into Unavailable or Misconfigured, in plain words, without a password.

    `place` is the engine, or the URL, that is being talked to.
    """
    try:
        yield
    except IngestError:
        raise
    except SQLAlchemyError as error:
        raise _in_words(error, place) from error
    except OSError as error:
        raise Unavailable(f"the database {hidden(place)} cannot be opened: {error.strerror or error}") from error


def hidden(place: Engine | URL | str) -> str:
    """The URL for people: without password, and without options, which may hold one too."""
    url = place.url if isinstance(place, Engine) else place
    if isinstance(url, str):
        try:
            url = make_url(url)
        except (ArgumentError, ValueError):
            return "(a URL that cannot be read)"
    plain = URL.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database)
    return plain.render_as_string(hide_password=True)


def words(error: Exception) -> str:
    """What the database itself said, on one short line of printable characters."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    said = original.args[1] if len(original.args) > 1 and isinstance(original.args[0], int) else original
    line = " ".join(str(said).split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:WORDS]


def _in_words(error: SQLAlchemyError, place: Engine | URL | str) -> IngestError:
    said = words(error)
    code = _code(error) if isinstance(error, DBAPIError) else None
    if _is(_FULL, code, said):
        return Unavailable(f"the database {hidden(place)} has no connection left for us: {said}; try again later")
    if _is(_LOGIN, code, said):
        return LoginRefused(
            f"the database {hidden(place)} refused the login: {said}; "
            "see [database] url in the config file, or --database"
        )
    if advice := _advice(error, code, said):
        return Misconfigured(f"the database {hidden(place)} {advice}")
    if code in _TRANSIENT:
        return Unavailable(f"the database {hidden(place)} stayed locked by others: {said}; try again later")
    return Unavailable(f"the database {hidden(place)} is not available: {said}")


def _advice(error: SQLAlchemyError, code: str | int | None, said: str) -> str | None:
    """What the operator has to change, where it is for the operator."""
    if _is(_DATABASE, code, said):
        return (
            f"is not ours to use: {said}; create it and grant the user all rights on it, or correct [database] url "
            "or --database"
        )
    if "is not a MariaDB variant" in said:
        return "is a MySQL server, which is not supported; use a MariaDB"
    if code == "SQLITE_NOTADB":
        return "is a file, and no SQLite database; name another file"
    if code == "SQLITE_CORRUPT":
        return (
            f"is damaged: {said}; put it back from a backup, or save what can be read with `sqlite3 FILE .recover`, "
            "and read the mails again: what is in it already is not counted twice"
        )
    if isinstance(error, ProgrammingError) or said.startswith(("no such table", "no such column")):
        return f"does not have the tables it should have: {said}; type: tlsrpt-ingest db upgrade"
    return None


def _is(kind: _Kind, code: str | int | None, said: str) -> bool:
    codes, phrases = kind
    return code in codes or (code is None and any(phrase in said for phrase in phrases))


def _code(error: DBAPIError) -> str | int | None:
    """SQLSTATE of PostgreSQL, number of MariaDB, name of SQLite's (primary or extended) result code."""
    original = error.orig
    if original is None:
        return None
    if name := getattr(original, "sqlite_errorname", None):
        return "SQLITE_CONSTRAINT" if name.startswith("SQLITE_CONSTRAINT") else str(name)
    if original.args and isinstance(original.args[0], int):
        return original.args[0]
    state = getattr(original, "sqlstate", None)
    return str(state) if state else None
