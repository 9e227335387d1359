"""The tables, in the words of RFC 8460: 64-bit counts, UTC timestamps without a zone, text compared octet by octet.

`migrations/` builds them, with what each database wants besides (collation, WITHOUT ROWID, a partial index); a test
compares the two on every database. Nothing here creates a table, so no dialect is imported before it is used.
"""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from tlsrpt_ingest import limits
from tlsrpt_ingest.store.json_text import dumps, loads


class JsonText(TypeDecorator[Any]):
    """JSON, kept as the very text that was written.

    PostgreSQL has `json` for that (jsonb reorders). MariaDB's JSON is a LONGTEXT that refuses more than 32 levels, so
    there it is LONGTEXT.
    """

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type."""
        return dialect.type_descriptor(_mariadb("LONGTEXT") if dialect.name == "mariadb" else JSON())

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The value, where the driver hands out text."""
        return loads(value) if dialect.name == "mariadb" and value is not None else value

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """The text, where the driver wants text."""
        return dumps(value) if dialect.name == "mariadb" and value is not None else value


class AtMariadb(TypeDecorator[Any]):
    """A type that has a name of its own at MariaDB: `AtMariadb(Text(), "MEDIUMTEXT")`."""

    impl = Text  # SQLAlchemy wants one; load_dialect_impl decides
    cache_ok = True

    def __init__(self, generic: TypeEngine[Any], name: str, **arguments: int) -> None:
        super().__init__()
        self.generic = generic
        self.name = name
        self.arguments = arguments

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type."""
        if dialect.name != "mariadb":
            return self.generic
        return _mariadb(self.name, **self.arguments)


def _mariadb(name: str, **arguments: int) -> TypeEngine[Any]:
    # Imported here: the dialect costs a tenth of a second, which only its users should pay.
    from sqlalchemy.dialects import mysql  # noqa: PLC0415 - as said

    made: TypeEngine[Any] = getattr(mysql, name)(**arguments)
    return made


def _octets(length: int) -> TypeEngine[bytes]:
    return AtMariadb(LargeBinary(length), "BINARY", length=length)


KEY: Final = BigInteger().with_variant(Integer, "sqlite")  # SQLite's rowid is an INTEGER PRIMARY KEY, no other word
TIME: Final = AtMariadb(DateTime(), "DATETIME", fsp=6)
NAME: Final = String(limits.NAME)
TEXT: Final = AtMariadb(Text(), "MEDIUMTEXT")  # 65,535 characters are up to four times the octets
BLOB: Final = AtMariadb(LargeBinary(), "LONGBLOB")
WORD: Final = String(64)
DOMAIN: Final = String(255)
IDENTITY: Final = _octets(16)
SHA256: Final = _octets(32)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PK_BLOCK: Final = 1_000
"""How many pks one value of the sequence stands for (hi/lo): rows get theirs here, before they are sent."""

pk_block: Final = Sequence("pk_block", start=1, increment=PK_BLOCK, metadata=metadata)
"""Where PostgreSQL and MariaDB draw blocks of pks; SQLite has one writer at a time and takes the next one up."""

report: Final = Table(
    "report",
    metadata,
    Column("pk", KEY, primary_key=True, autoincrement=False),
    Column("identity", IDENTITY, nullable=False),
    Column("conflicts_with", KEY, ForeignKey("report.pk")),
    Column("organization_name", NAME),
    Column("report_id", NAME, nullable=False),
    Column("contact_info", TEXT),
    Column("start_datetime", TIME, nullable=False),
    Column("end_datetime", TIME, nullable=False),
    Column("submitter", NAME),
    Column("document_digest", SHA256, nullable=False),
    Column("unknown_members", JsonText),
    Column("recorded_at", TIME, nullable=False),
    Column("signing_domain", DOMAIN),
    UniqueConstraint("identity"),
    Index(None, "start_datetime"),
)
"""A report; counted where `conflicts_with` is NULL. `document_digest` is the SHA-256 of `document.gzip`.

`signing_domain` is the organizational domain that vouches for it (DKIM); NULL where nobody does.
"""

Index(None, report.c.conflicts_with)

policy: Final = Table(
    "policy",
    metadata,
    Column("report_pk", KEY, ForeignKey("report.pk"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("policy_type", NAME, nullable=False),
    Column("policy_domain", NAME),
    Column("policy_string", JsonText, nullable=False),
    Column("mx_host", JsonText, nullable=False),
    Column("total_successful_session_count", BigInteger, nullable=False),
    Column("total_failure_session_count", BigInteger, nullable=False),
    Column("unknown_members", JsonText),
)
"""An element of policies[], at its position from 0; `unknown_members` has policy and summary inside."""

failure_detail: Final = Table(
    "failure_detail",
    metadata,
    Column("report_pk", KEY, primary_key=True, autoincrement=False),
    Column("policy_position", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("result_type", NAME, nullable=False),
    Column("sending_mta_ip", TEXT),
    Column("receiving_mx_hostname", TEXT),
    Column("receiving_mx_helo", TEXT),
    Column("receiving_ip", TEXT),
    Column("failed_session_count", BigInteger, nullable=False),
    Column("additional_information", TEXT),
    Column("failure_reason_code", TEXT),
    Column("unknown_members", JsonText),
)
"""An element of failure-details[]. The addresses and names are the sender's text.

Without a foreign key to `policy`: one transaction writes and deletes both, and looking up each costs PostgreSQL as much
as writing it.
"""

deviation: Final = Table(
    "deviation",
    metadata,
    Column("report_pk", KEY, ForeignKey("report.pk"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("code", NAME, nullable=False),
    Column("path", TEXT, nullable=False),
)
"""What had to be repaired to read the report: a code of docs/deviations.md, and where."""

document: Final = Table(
    "document",
    metadata,
    Column("report_pk", KEY, ForeignKey("report.pk"), primary_key=True, autoincrement=False),
    Column("gzip", BLOB, nullable=False),
)
"""The document that the report was read from, as a gzip stream."""

mailbox: Final = Table(
    "mailbox",
    metadata,
    Column("pk", KEY, primary_key=True, autoincrement=False),
    Column("identity", IDENTITY, nullable=False),
    Column("account", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    UniqueConstraint("identity"),
)
"""An IMAP mailbox in one epoch. `identity` is a hash of the other three, since MariaDB has no key that long."""

delivery: Final = Table(
    "delivery",
    metadata,
    Column("pk", KEY, primary_key=True, autoincrement=False),
    Column("item", IDENTITY, nullable=False),
    Column("part", Integer, nullable=False),
    Column("origin", TEXT, nullable=False),
    Column("digest", SHA256, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("message_id", NAME),
    Column("sender", NAME),
    Column("subject", NAME),
    Column("submitter", NAME),
    Column("outcome", WORD, nullable=False),
    Column("stage", WORD),
    Column("code", WORD),
    Column("reason", TEXT),
    Column("attempts", Integer, nullable=False),
    Column("first_at", TIME, nullable=False),
    Column("last_at", TIME, nullable=False),
    Column("report_pk", KEY, ForeignKey("report.pk")),
    Column("mailbox_pk", KEY, ForeignKey("mailbox.pk")),
    Column("uid", BigInteger),
    Column("settled", Boolean, nullable=False),
    Column("octets", BLOB),
    Column("verdict", WORD),
    Column("signing_domain", DOMAIN),
    Column("selector", DOMAIN),
    Column("verdict_reason", TEXT),
    UniqueConstraint("item", "part"),
    Index(None, "report_pk"),
    Index(None, "mailbox_pk", "uid"),
    Index("ix_delivery_unsettled", "mailbox_pk", "settled", "outcome", "uid"),
)
"""The ledger: what became of each document that reached us, or of each item that holds none.

`verdict` is a word of `verdict.Verdict`, about the DKIM signature of `signing_domain` by the key `selector`; NULL where
nobody looked.
"""

run: Final = Table(
    "run",
    metadata,
    Column("command", WORD, primary_key=True),
    Column("host", String(255), primary_key=True),
    Column("began_at", TIME, nullable=False),
    Column("ended_at", TIME, nullable=False),
    Column("exit_status", Integer, nullable=False),
    Column("done_at", TIME),
    Column("items", BigInteger, nullable=False),
    Column("outcomes", JsonText, nullable=False),
    Column("words", TEXT),
)
"""The last run of a command on a host: how it ended, and when the last one ended that did its work (`done_at`)."""

alert: Final = Table(
    "alert",
    metadata,
    Column("identity", IDENTITY, primary_key=True),
    Column("kind", WORD, nullable=False),
    Column("subject", JsonText, nullable=False),
    Column("began_at", TIME, nullable=False),
    Column("over_at", TIME),
    Column("untold", WORD, nullable=False),
    Column("untold_over", WORD, nullable=False),
    Column("claimed_until", TIME),
)
"""What `alerts` knows: what began, what is over, and which outlets have not been told of the one and the other."""

published: Final = Table(
    "published",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("kind", WORD, primary_key=True),
    Column("first_at", TIME, primary_key=True),
    Column("last_at", TIME, nullable=False),
    Column("text", TEXT),
)
"""What `posture` saw published, and from when to when: the text of a record or policy; NULL where there was none."""
