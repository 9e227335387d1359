"""What becomes of messages on a real Dovecot once their outcome is committed."""

import logging
from contextlib import closing, suppress

import pytest
from sqlalchemy import Engine, text

from tests import builders
from tests.servers.certificates import Certificates
from tests.servers.dovecot import Dovecot, User
from tests.servers.process import folder_for
from tests.servers.proxy import Proxy
from tests.servers.test_imap_read import ENVIRONMENT, account, client, counted, engine, poll
from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.ingest import ingest
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.imap import ImapSource, imap_sources
from tlsrpt_ingest.store.messages import Messages

__all__ = ["engine"]


def messages(user: User, folder: str, criteria: str = "ALL") -> list[int]:
    """The UIDs in a folder, as another client sees them."""
    with client(user) as other:
        if not other.folder_exists(folder):
            return []
        other.select_folder(folder, readonly=True)
        return [int(uid) for uid in other.search(criteria.split())]


def fill(user: User) -> None:
    """Three reports, one of them twice, a mail that is none, and one that cannot be read."""
    for number in (0, 1, 2, 0):
        user.deliver(builders.mail(number=number))
    user.deliver(builders.other_mail())
    user.deliver(builders.mail(b"\x1f\x8bno gzip at all"))


def test_move(mailbox: User, engine: Engine) -> None:
    fill(mailbox)
    after = 'recorded = "move:TLS/Done"\nduplicate = "move:TLS/Done"\nrejected = "move:TLS/Broken"'
    tally = poll(account(mailbox, after=after), engine)
    assert tally.outcomes[Outcome.RECORDED] == 3
    assert len(messages(mailbox, "TLS/Done")) == 4
    assert len(messages(mailbox, "TLS/Broken")) == 1
    assert messages(mailbox, "INBOX") == [5]
    assert poll(account(mailbox, after=after), engine).items == 0


@pytest.mark.parametrize(
    ("wish", "criteria"), [("seen", "SEEN"), ("flag", "KEYWORD $TlsrptDone"), ("delete", "DELETED")]
)
def test_marks_and_deletes(mailbox: User, engine: Engine, wish: str, criteria: str) -> None:
    fill(mailbox)
    poll(account(mailbox, after=f'recorded = "{wish}"'), engine)
    if wish == "delete":
        assert messages(mailbox, "INBOX") == [4, 5, 6]
    else:
        assert messages(mailbox, "INBOX", criteria) == [1, 2, 3]
        assert len(messages(mailbox, "INBOX")) == 6


def test_delete_waits_for_the_day(mailbox: User, engine: Engine) -> None:
    mailbox.deliver(builders.mail(number=0))
    poll(account(mailbox, after='recorded = "delete"\ndelete_after_days = 20000'), engine)
    assert messages(mailbox, "INBOX") == [1]
    # The wish stands in the ledger, and a later poll does it when the time has come.
    poll(account(mailbox, after='recorded = "delete"\ndelete_after_days = 0'), engine)
    assert messages(mailbox, "INBOX") == []


def test_what_another_client_marked_is_not_swept_away(certificates: Certificates, engine: Engine) -> None:
    """Without MOVE and UIDPLUS only a bare EXPUNGE could remove the message, and with it what others have marked."""
    extra = "imap_capability = IMAP4rev1 LITERAL+ SASL-IR IDLE NAMESPACE"
    with folder_for("nobody") as (folder, owner):
        server = Dovecot(folder, owner, certificates, extra)
        server.start()
        user = server.user()
        fill(user)
        with client(user) as other:
            other.add_flags([5], [b"\\Deleted"])
        poll(account(user, after='recorded = "move:Done"'), engine)
        assert len(messages(user, "Done")) == 3
        assert messages(user, "INBOX") == [1, 2, 3, 4, 5, 6]
        assert messages(user, "INBOX", "DELETED") == [1, 2, 3, 5]
        server.stop()


def test_a_crash_between_commit_and_move_is_finished_by_the_next_run(mailbox: User, engine: Engine) -> None:
    fill(mailbox)
    config = account(mailbox, after='recorded = "move:Done"')

    class Crashing(ImapSource):
        def settle(self, settled: object) -> None:
            del settled
            raise KeyboardInterrupt

    with closing(imap_sources(config, ENVIRONMENT, Messages(engine), change=True)) as sources:
        source = next(sources)
        source.__class__ = Crashing
        with suppress(KeyboardInterrupt):
            ingest(source, engine)
    assert counted(engine) == 3
    assert messages(mailbox, "Done") == []
    assert poll(config, engine).outcomes == {Outcome.REJECTED: 1}  # tried again
    assert len(messages(mailbox, "Done")) == 3
    assert counted(engine) == 3


def test_a_message_that_is_another_one_now_is_left_alone(mailbox: User, engine: Engine) -> None:
    """A mailbox that is rebuilt within a second keeps its UIDVALIDITY; the digest in the ledger tells."""
    fill(mailbox)
    poll(account(mailbox), engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE delivery SET digest = X'00' WHERE uid = 1"))
    poll(account(mailbox, after='recorded = "move:Done"'), engine)
    assert len(messages(mailbox, "Done")) == 2
    assert 1 in messages(mailbox, "INBOX")


def test_a_rebuilt_mailbox_is_not_touched_by_what_was_meant_for_the_old_one(mailbox: User, engine: Engine) -> None:
    fill(mailbox)
    poll(account(mailbox), engine)
    mailbox.rebuild()
    poll(account(mailbox, after='recorded = "delete"'), engine)
    # All are duplicates now, and for these the owner wished nothing.
    assert len(messages(mailbox, "INBOX")) == 6


def test_a_wish_that_cannot_be_done_is_said_once(
    certificates: Certificates, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    extra = "mail_plugins = $mail_plugins quota\nplugin {\n quota = maildir:User quota\n quota_rule = *:messages=3\n}"
    extra += "\nnamespace other {\n prefix = Full/\n separator = /\n location = maildir:~/full\n}"
    extra = extra.replace("mail_plugins = $mail_plugins quota", "mail_plugins = quota")
    with folder_for("nobody") as (folder, owner):
        server = Dovecot(folder, owner, certificates, extra)
        server.start()
        user = server.user()
        for number in range(6):
            user.deliver(builders.mail(number=number))
        caplog.set_level(logging.WARNING)
        # Too many messages for a COPY: nothing is lost, and the rows are there.
        tally = poll(account(user, after='recorded = "move:Full/Done"'), engine)
        assert tally.outcomes == {Outcome.RECORDED: 6}
        inbox, done = messages(user, "INBOX"), messages(user, "Full/Done")
        assert len(inbox) + len(done) == 6
        assert len(caplog.records) <= 1
        server.stop()


def test_a_connection_cut_while_moving_loses_nothing(mailbox: User, engine: Engine) -> None:
    for number in range(30):
        mailbox.deliver(builders.mail(number=number))
    with Proxy(mailbox.server.port) as proxy:
        for cut in range(100, 3_000, 171):
            proxy.cut_after = cut
            with suppress(Unavailable):
                poll(account(mailbox, port=proxy.port, after='recorded = "move:Done"'), engine)
    poll(account(mailbox, after='recorded = "move:Done"'), engine)
    assert counted(engine) == 30
    assert messages(mailbox, "INBOX") == []
    assert len(messages(mailbox, "Done")) >= 30


def test_without_change_nothing_is_done(mailbox: User, engine: Engine) -> None:
    fill(mailbox)
    poll(account(mailbox, after='recorded = "delete"'), engine, change=False)
    assert len(messages(mailbox, "INBOX")) == 6
