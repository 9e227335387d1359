"""What servers, other clients and broken disks do to a poll: each over a real Dovecot."""

import logging
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests import builders
from tests.servers.certificates import Certificates
from tests.servers.dovecot import User, running
from tests.servers.proxy import Proxy
from tests.servers.test_imap_after import messages
from tests.servers.test_imap_read import ENVIRONMENT, account, client, counted, engine, ledger, poll
from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import imap_read
from tlsrpt_ingest.sources.imap import imap_sources
from tlsrpt_ingest.store.messages import Messages

__all__ = ["engine"]

ACL = (
    "mail_plugins = acl\nprotocol imap {\n mail_plugins = acl imap_acl\n}\n"
    "plugin {\n acl = vfile\n acl_globals_only = no\n}"
)


def rights(user: User, letters: str) -> None:
    """What the owner of INBOX may do (RFC 4314): "lr" to read, s and w for flags, t and e to delete."""
    file = user.maildir / "dovecot-acl"
    file.write_text(f"owner {letters}\n", encoding="ascii")
    shutil.copystat(user.maildir / "cur", file)
    status = (user.maildir / "cur").stat()
    shutil.chown(file, status.st_uid, status.st_gid)
    for stale in user.maildir.glob("dovecot-acl-list"):
        stale.unlink()


@pytest.mark.parametrize(
    ("wish", "criteria"), [("flag", "KEYWORD $TlsrptDone"), ("delete", "DELETED"), ("move:Done", "DELETED")]
)
def test_a_read_only_folder_is_said_once_and_finished_when_it_may_be(
    certificates: Certificates, engine: Engine, caplog: pytest.LogCaptureFixture, wish: str, criteria: str
) -> None:
    with running(certificates, ACL) as server:
        user = server.user()
        for number in range(5):
            user.deliver(builders.mail(number=number))
        rights(user, "lr")
        config = account(user, after=f'recorded = "{wish}"')
        with caplog.at_level(logging.WARNING):
            assert poll(config, engine).outcomes == {Outcome.RECORDED: 5}
        assert len(caplog.records) == 1
        assert "is read-only" in caplog.text
        rights(user, "lrwstipekxa")
        assert messages(user, "INBOX", criteria) == []
        assert len(messages(user, "INBOX")) == 5
        assert poll(config, engine).items == 0
        done = messages(user, "INBOX", criteria)
        assert done == ([1, 2, 3, 4, 5] if wish == "flag" else [])
        assert len(messages(user, "INBOX")) == len(done)


def test_a_move_that_is_not_allowed_loses_nothing(
    certificates: Certificates, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The right to keep flags and not the right to expunge."""
    with running(certificates, ACL) as server:
        user = server.user()
        for number in range(5):
            user.deliver(builders.mail(number=number))
        rights(user, "lrws")
        config = account(user, after='recorded = "move:Done"')
        with caplog.at_level(logging.WARNING):
            assert poll(config, engine).outcomes == {Outcome.RECORDED: 5}
        assert len(caplog.records) == 1
        assert "cannot be done" in caplog.text
        assert messages(user, "INBOX") == [1, 2, 3, 4, 5]
        rights(user, "lrwstipekxa")
        assert poll(config, engine).items == 0
        assert messages(user, "INBOX") == []
        assert len(messages(user, "Done")) >= 5


def test_exchange_answers_move_with_what_is_no_imap(mailbox: User, engine: Engine) -> None:
    """`[COPYUID 62 1 1]` without `* OK` before it: the client gives up, although the messages have been moved."""
    for number in range(5):
        mailbox.deliver(builders.mail(number=number))
    config = account(mailbox, after='recorded = "move:Done"')
    with Proxy(mailbox.server.port) as proxy:
        proxy.rewrite = (b"* OK [COPYUID", b"[COPYUID")
        plain = account(mailbox, after='recorded = "move:Done"', port=proxy.port)
        assert poll(plain, engine).outcomes == {Outcome.RECORDED: 5}
    assert messages(mailbox, "INBOX") == []
    assert len(messages(mailbox, "Done")) == 5
    assert poll(config, engine).items == 0
    assert len(messages(mailbox, "Done")) == 5


def test_what_was_moved_away_by_somebody_else_is_gone_and_the_others_go(mailbox: User, engine: Engine) -> None:
    """Not told yet that a message is gone, Dovecot refuses to move any: [EXPUNGEISSUED]."""
    for number in range(6):
        mailbox.deliver(builders.mail(number=number))
    config = account(mailbox, after='recorded = "move:Done"')
    poll(account(mailbox), engine)
    for number in range(6, 12):
        mailbox.deliver(builders.mail(number=number))
    with client(mailbox) as other, closing(imap_sources(config, ENVIRONMENT, Messages(engine), change=True)) as sources:
        source = next(sources)
        items = list(source.items())
        assert [item.position for item in items] == [7, 8, 9, 10, 11, 12]
        other.delete_messages([8])
        other.expunge([8])
        source.settle([(item, Outcome.RECORDED) for item in items])
    assert messages(mailbox, "INBOX") == []
    assert len(messages(mailbox, "Done")) == 11


def test_flags_that_others_set_meanwhile_confuse_nothing(
    mailbox: User, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dovecot tells of them with a sequence number and no UID, which the library takes for one."""
    monkeypatch.setattr(imap_read, "FETCH", 5)
    for number in range(30):
        mailbox.deliver(builders.mail(number=number))
    with client(mailbox) as other:
        other.delete_messages(list(range(1, 8)))
        other.expunge(list(range(1, 8)))
        with closing(imap_sources(account(mailbox), ENVIRONMENT, Messages(engine), change=False)) as sources:
            found = {}
            for item in next(sources).items():
                found[item.position] = item.octets
                other.add_flags([item.position, 20], [b"$TlsrptDone", b"\\Seen"])
    assert sorted(found) == list(range(8, 31))
    for uid, octets in found.items():
        assert f"<{uid - 1}.tlsrpt@reporter.example>".encode() in octets


def test_a_tls_stream_cut_in_the_middle_of_a_message(mailbox: User, engine: Engine) -> None:
    for number in range(12):
        mailbox.deliver(builders.mail(number=number))
    with Proxy(mailbox.server.tls_port) as proxy:
        config = account(mailbox).model_copy(update={"port": proxy.port})
        for cut in range(0, 16_000, 977):
            proxy.cut_after = cut
            try:
                poll(config, engine)
            except Unavailable as error:
                assert mailbox.name in str(error)  # noqa: PT017 - often, not always
    poll(account(mailbox), engine)
    assert counted(engine) == 12
    assert {outcome for _uid, outcome, _code in ledger(engine)} == {"recorded"}


@pytest.mark.parametrize("split", range(1, 9))
def test_a_stream_in_pieces_of_any_size(mailbox: User, engine: Engine, split: int) -> None:
    mailbox.deliver(builders.mail())
    with Proxy(mailbox.server.tls_port) as proxy:
        proxy.piece = split
        config = account(mailbox, after='recorded = "move:Done"').model_copy(update={"port": proxy.port})
        assert poll(config, engine).outcomes == {Outcome.RECORDED: 1}
    assert messages(mailbox, "INBOX") == []


def test_a_message_that_rots_after_its_commit_holds_up_no_poll(mailbox: User, engine: Engine) -> None:
    path = mailbox.deliver(builders.mail(number=0))
    mailbox.deliver(builders.mail(number=1))
    poll(account(mailbox), engine)
    rot(mailbox, path)
    mailbox.deliver(builders.mail(number=2))
    # Both wait for their move now, as after a crash between the commit and the move.
    tally = poll(account(mailbox, after='recorded = "move:Done"'), engine)
    assert tally.outcomes == {Outcome.RECORDED: 1}
    assert messages(mailbox, "INBOX") == [1]
    assert len(messages(mailbox, "Done")) == 2


def test_a_restarted_server_is_the_same_one(certificates: Certificates, engine: Engine) -> None:
    with running(certificates) as server:
        user = server.user()
        user.deliver(builders.mail())
        with closing(imap_sources(account(user), ENVIRONMENT, Messages(engine), change=False)) as sources:
            source = next(sources)
            server.restart()
            assert len(list(source.items())) == 1


def test_a_server_whose_disk_fails_is_unavailable(mailbox: User, engine: Engine) -> None:
    """The next poll tries again; nobody has to change the config."""
    mailbox.deliver(builders.mail())
    mailbox.maildir.chmod(0)
    with pytest.raises(Unavailable):
        poll(account(mailbox), engine)
    mailbox.maildir.chmod(0o700)
    assert poll(account(mailbox), engine).outcomes == {Outcome.RECORDED: 1}


def rot(user: User, path: Path) -> None:
    """Cut a message's file, wherever Dovecot has put it, and forget what the index knows of its size."""
    (file,) = [one for one in user.files() if one.name.partition(":")[0].partition(",")[0] == path.name]
    octets = file.read_bytes()
    file.write_bytes(octets[: len(octets) // 2])
