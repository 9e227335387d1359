"""Reading a real Dovecot: what is new, what vanished, what is rotten, and what the network does to it."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import Engine, text

from tests import builders
from tests.servers.dovecot import PASSWORD, Dovecot, User
from tests.servers.proxy import Proxy
from tlsrpt_ingest.config import Imap, parse
from tlsrpt_ingest.errors import LoginRefused, Misconfigured, Unavailable
from tlsrpt_ingest.ingest import ingest
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.imap import imap_sources
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.messages import Messages
from tlsrpt_ingest.tally import Tally

ENVIRONMENT = {"IMAP_PASSWORD": PASSWORD}


@pytest.fixture
def engine(sqlite: str) -> Iterator[Engine]:
    made = open_engine(sqlite)
    schema.ready(made)
    yield made
    made.dispose()


def account(user: User, *, more: str = "", after: str = "", port: int | None = None) -> Imap:
    return parse(user.account(more=more, after=after, port=port)).imap[0]


def poll(config: Imap, engine: Engine, *, change: bool = True) -> Tally:
    tally = Tally()
    with closing(imap_sources(config, ENVIRONMENT, Messages(engine), change=change)) as sources:
        for source in sources:
            ingest(source, engine, tally)
    return tally


def client(user: User, folder: str = "INBOX") -> IMAPClient:
    """A client of somebody else's."""
    made = IMAPClient(user.server.host, user.server.port, ssl=False)
    made.login(user.name, PASSWORD)
    made.select_folder(folder)
    return made


def counted(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM report WHERE conflicts_with IS NULL")) or 0)


def ledger(engine: Engine) -> list[tuple[int, str, str | None]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT uid, outcome, code FROM delivery ORDER BY uid, pk"))
        return [(row[0], row[1], row[2]) for row in rows]


def test_a_mailbox_is_drained_once(mailbox: User, engine: Engine) -> None:
    for number in range(30):
        mailbox.deliver(builders.mail(number=number))
    mailbox.deliver(builders.other_mail())
    first = poll(account(mailbox), engine)
    assert first.outcomes == {Outcome.RECORDED: 30, Outcome.NOT_A_REPORT: 1}
    assert poll(account(mailbox), engine).items == 0
    mailbox.deliver(builders.mail(number=30))
    mailbox.deliver(builders.mail(number=0))
    assert poll(account(mailbox), engine).outcomes == {Outcome.RECORDED: 1, Outcome.DUPLICATE: 1}


def test_nothing_is_changed_unless_asked_for(mailbox: User, engine: Engine) -> None:
    files = [mailbox.deliver(builders.mail(number=number)) for number in range(3)]
    octets = [path.read_bytes() for path in files]
    poll(account(mailbox), engine)
    with client(mailbox) as other:
        assert other.search("UNSEEN") == [1, 2, 3]
        assert other.search("RECENT") == [1, 2, 3]
    assert [path.read_bytes() for path in mailbox.files()] == octets


def test_a_poison_message_holds_nobody_up(mailbox: User, engine: Engine) -> None:
    """A file that ends before its size makes Dovecot hang up in the middle of the literal, each time."""
    mailbox.deliver(builders.mail(number=99), claimed=100_000)
    for number in range(30):
        mailbox.deliver(builders.mail(number=number))
    tally = poll(account(mailbox), engine)
    assert tally.outcomes == {Outcome.RECORDED: 30, Outcome.REJECTED: 1}
    assert ledger(engine)[0] == (1, "rejected", "unfetchable")


@pytest.mark.parametrize("rotten", [range(8), range(0, 60, 2)], ids=["eight in a row", "every second"])
def test_however_many_are_rotten_the_others_are_read(mailbox: User, engine: Engine, rotten: range) -> None:
    for number in range(60):
        mailbox.deliver(builders.mail(number=number), claimed=100_000 if number in rotten else None)
    tally = poll(account(mailbox), engine)
    assert tally.outcomes == {Outcome.RECORDED: 60 - len(rotten), Outcome.REJECTED: len(rotten)}


def test_a_rejected_message_is_tried_a_set_number_of_times(mailbox: User, engine: Engine) -> None:
    mailbox.deliver(builders.mail(b"\x1f\x8bno gzip at all"))
    config = account(mailbox, more="attempts = 2")
    assert [poll(config, engine).outcomes[Outcome.REJECTED] for _ in range(4)] == [1, 1, 0, 0]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT attempts FROM delivery")) == 2


def test_a_large_message_is_not_fetched(mailbox: User, engine: Engine) -> None:
    mailbox.deliver(builders.mail(headers=[("X-Large", "x" * 1_200_000)]))
    mailbox.deliver(builders.mail(number=1))
    tally = poll(account(mailbox, more="max_message_mib = 1"), engine)
    assert tally.outcomes == {Outcome.REJECTED: 1, Outcome.RECORDED: 1}
    assert ledger(engine)[0] == (1, "rejected", "too-large")
    assert "max_message_mib = 1" in tally.rejected[0][1]


def test_a_message_that_vanishes_while_it_is_read_is_no_failure(mailbox: User, engine: Engine) -> None:
    for number in range(300):  # two batches: the second is fetched when the first has been handed out
        mailbox.deliver(builders.mail(number=number))
    sources = imap_sources(account(mailbox), ENVIRONMENT, Messages(engine), change=True)
    items = next(sources).items()
    first = next(items)
    with client(mailbox) as other:
        other.delete_messages([300])
        other.expunge([300])
    assert len([first, *items]) in (299, 300)
    sources.close()


def test_a_mailbox_that_was_rebuilt_is_read_again_and_counts_the_same(mailbox: User, engine: Engine) -> None:
    for number in range(10):
        mailbox.deliver(builders.mail(number=number))
    poll(account(mailbox), engine)
    mailbox.rebuild()
    assert poll(account(mailbox), engine).outcomes == {Outcome.DUPLICATE: 10}
    assert counted(engine) == 10
    assert poll(account(mailbox), engine).items == 0


@pytest.mark.parametrize("name", ["Archive/2024", "Täglich", "a & b", "[Gmail]"])
def test_folders_have_the_names_that_people_write(mailbox: User, engine: Engine, name: str) -> None:
    with client(mailbox) as other:
        other.create_folder(name)
        other.append(name, builders.mail().replace(b"\n", b"\r\n"))
    tally = poll(account(mailbox, more=f'folders = ["{name}"]'), engine)
    assert tally.outcomes == {Outcome.RECORDED: 1}


def test_a_glob_takes_the_folders_that_fit(mailbox: User, engine: Engine) -> None:
    with client(mailbox) as other:
        for number, name in enumerate(["Archive/2023", "Archive/2024", "Sent"]):
            other.create_folder(name)
            other.append(name, builders.mail(number=number).replace(b"\n", b"\r\n"))
    assert poll(account(mailbox, more='folders = ["INBOX", "Archive/*"]'), engine).outcomes == {Outcome.RECORDED: 2}


def test_a_missing_folder_is_named(mailbox: User, engine: Engine) -> None:
    mailbox.deliver(builders.mail())
    with pytest.raises(Misconfigured, match=r"no folder 'Reports'.*there is: INBOX"):
        poll(account(mailbox, more='folders = ["Reports", "INBOX"]'), engine)
    assert counted(engine) == 1, "the others are read all the same"


# The network


def test_a_connection_cut_anywhere_costs_nothing(mailbox: User, engine: Engine) -> None:
    for number in range(40):
        mailbox.deliver(builders.mail(number=number))
    with Proxy(mailbox.server.port) as proxy:
        proxy.piece = 1000
        for cut in range(50, 60_000, 2_477):
            proxy.cut_after = cut
            try:
                poll(account(mailbox, port=proxy.port), engine)
            except Unavailable as error:
                assert "hung up" in str(error) or "cannot reach" in str(error)  # noqa: PT017 - often, not always
    assert poll(account(mailbox), engine).outcomes[Outcome.REJECTED] == 0
    assert counted(engine) == 40
    assert [outcome for _uid, outcome, _code in ledger(engine)] == ["recorded"] * 40


def test_the_stream_may_come_octet_by_octet(mailbox: User, engine: Engine) -> None:
    mailbox.deliver(builders.mail())
    with Proxy(mailbox.server.port) as proxy:
        proxy.piece = 1
        assert poll(account(mailbox, port=proxy.port), engine).outcomes == {Outcome.RECORDED: 1}


def test_a_server_that_always_hangs_up_is_unavailable(mailbox: User, engine: Engine) -> None:
    for number in range(20):
        mailbox.deliver(builders.mail(number=number))
    with Proxy(mailbox.server.port) as proxy:
        proxy.cut_after, proxy.always = 1_500, True
        with pytest.raises(Unavailable):
            poll(account(mailbox, port=proxy.port), engine)
    assert Outcome.REJECTED not in {outcome for _uid, outcome, _code in ledger(engine)}


def test_a_server_that_says_nothing_is_not_waited_for(mailbox: User, engine: Engine) -> None:
    mailbox.deliver(builders.mail())
    with Proxy(mailbox.server.port) as proxy:
        proxy.stall_after = 600
        with pytest.raises(Unavailable, match="timed out"):
            poll(account(mailbox, port=proxy.port, more="timeout = 1"), engine)


def test_killed_sessions_are_begun_again(mailbox: User, engine: Engine) -> None:
    for number in range(400):
        mailbox.deliver(builders.mail(number=number))
    for source in imap_sources(account(mailbox), ENVIRONMENT, Messages(engine), change=True):
        killed = threading.Event()

        def once(_source: object, killed: threading.Event = killed) -> None:
            if not killed.is_set():
                killed.set()
                mailbox.server.kill_sessions()

        ingest(source, engine, progress=once)
    poll(account(mailbox), engine)
    assert counted(engine) == 400


# Logging in


def test_a_wrong_password_is_refused_in_words(mailbox: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LoginRefused, match=rf"{mailbox.name}.*refused the login.*password of \[\[imap\]\]") as caught:
        list(imap_sources(account(mailbox), {"IMAP_PASSWORD": "wr0ng-secret"}, _NO_LEDGER, change=False))
    assert caught.value.exit_status == 77
    assert "wr0ng-secret" not in caplog.text + str(caught.value)


def test_no_secret_is_in_the_log(mailbox: User, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox.deliver(builders.mail())
    poll(account(mailbox), engine)
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_an_access_token_logs_in(mailbox: User, engine: Engine, mechanism: str, tmp_path: Path) -> None:
    mailbox.deliver(builders.mail())
    (tmp_path / "token").write_text(mailbox.token(), encoding="ascii")
    oauth = f'oauth = {{ mechanism = "{mechanism}", token = {{ file = "{tmp_path / "token"}" }} }}'
    config = mailbox.account(more=oauth).replace('password = { environment = "IMAP_PASSWORD" }\n', "")
    assert poll(parse(config).imap[0], engine).outcomes == {Outcome.RECORDED: 1}
    (tmp_path / "token").write_text(mailbox.token(lifetime=-60), encoding="ascii")
    with pytest.raises(LoginRefused, match="oauth of"):
        poll(parse(config).imap[0], engine)


def test_a_certificate_of_a_stranger_is_refused(mailbox: User, engine: Engine, certificates: object) -> None:
    config = account(mailbox)
    other = config.model_copy(update={"ca_file": str(certificates.other_ca)})  # type: ignore[attr-defined] # Certificates
    with pytest.raises(Misconfigured, match=r"not trusted.*ca_file"):
        poll(other, engine)


def test_starttls(mailbox: User, engine: Engine) -> None:
    mailbox.deliver(builders.mail())
    config = account(mailbox).model_copy(update={"security": "starttls", "port": mailbox.server.port})
    assert poll(config, engine).outcomes == {Outcome.RECORDED: 1}


def test_no_password_in_the_clear_to_others(mailbox: User, engine: Engine) -> None:
    config = account(mailbox, port=1).model_copy(update={"host": "192.0.2.1"})
    with pytest.raises(Misconfigured, match="in the clear"):
        poll(config, engine)


def test_nobody_listens(mailbox: User, engine: Engine) -> None:
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="cannot reach"):
            poll(account(mailbox, port=taken.getsockname()[1]), engine)


def test_bodies_are_not_formatted_for_a_debug_log(mailbox: User, dovecot: Dovecot) -> None:
    """The library sets imaplib's debug level to 5, which costs half of the CPU; we reset a private attribute."""
    from tlsrpt_ingest.sources.imap_login import connect  # noqa: PLC0415 - the one test of an inner part

    assert dovecot.port
    made = connect(account(mailbox), ENVIRONMENT)
    assert made._imap.debug == 0  # noqa: SLF001 - that it is still there is what is tested
    made.logout()


class _NoLedger:
    def known(self, *_: object) -> frozenset[int]:
        return frozenset()

    def unsettled(self, *_: object) -> Iterator[object]:
        return iter(())

    def settled(self, *_: object) -> None:
        return


_NO_LEDGER: Messages = _NoLedger()  # type: ignore[assignment] # enough of it
