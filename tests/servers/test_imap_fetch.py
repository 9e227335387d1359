"""Answers to FETCH: plain ones and all others come to the same, and what is no answer is no message."""

from types import SimpleNamespace
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import ProtocolError
from sqlalchemy import Engine

from tests import builders
from tests.servers.dovecot import User
from tests.servers.proxy import Proxy
from tests.servers.test_imap_read import account, client, counted, engine, poll
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import imap_fetch
from tlsrpt_ingest.sources.imap_fetch import BODY, SIZE, fetch

__all__ = ["engine"]  # the fixture


def test_plain_answers_are_read_as_imapclient_reads_them(mailbox: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without its parser, which takes longer than all the rest: Dovecot's answers are plain."""
    for number in range(20):
        mailbox.deliver(builders.mail(number=number))
    mailbox.deliver(b"")
    uids = list(range(1, 22))
    with client(mailbox) as made:
        sizes, bodies = made.fetch(uids, ["RFC822.SIZE"]), made.fetch(uids, ["BODY.PEEK[]"])
        monkeypatch.setattr(imap_fetch, "parse_fetch_response", None)
        assert fetch(made, uids, SIZE) == {uid: sizes[uid][b"RFC822.SIZE"] for uid in uids}
        assert fetch(made, uids, BODY) == {uid: bodies[uid][b"BODY[]"] for uid in uids}


@pytest.mark.parametrize(
    "rewrite",
    [
        (b" FETCH (UID ", b" FETCH (FLAGS (\\Seen) UID "),
        (b" FETCH (UID ", b" FETCH (uid "),
        (b" FETCH (UID ", b" FETCH ( UID "),
        (b" FETCH (UID ", b" FETCH (MODSEQ (12121231000) UID "),
    ],
)
def test_servers_that_answer_otherwise_are_read_all_the_same(
    mailbox: User, engine: Engine, rewrite: tuple[bytes, bytes]
) -> None:
    for number in range(20):
        mailbox.deliver(builders.mail(number=number))
    with Proxy(mailbox.server.port) as proxy:
        proxy.rewrite = rewrite
        assert poll(account(mailbox, port=proxy.port), engine).outcomes == {Outcome.RECORDED: 20}
    assert counted(engine) == 20


def answered(*answers: Any, said: str = "OK") -> IMAPClient:
    """A client whose server answers FETCH like this, as imaplib hands it on."""
    imap = SimpleNamespace(uid=lambda *_: (said, list(answers)))
    return SimpleNamespace(_imap=imap)


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([None], {}),
        ([b"1 (UID 7 RFC822.SIZE 12)", b"2 (UID 9 RFC822.SIZE 0)"], {7: 12, 9: 0}),
        # Exchange
        ([b"1 (RFC822.SIZE 12 UID 7)"], {7: 12}),
        # What others do meanwhile is told with a sequence number only.
        ([b"1 (UID 7 RFC822.SIZE 12)", b"3 (FLAGS (\\Seen))"], {7: 12}),
        ([b"1 (UID 7 RFC822.SIZE 12)", b"9 (FLAGS (\\Seen) UID 7)"], {7: 12}),
        ([b"1 (UID 7 RFC822.SIZE NIL)"], {}),
        ([b"1 (UID 7 RFC822.SIZE -1)"], {}),
    ],
)
def test_sizes(answers: list[Any], found: dict[int, int]) -> None:
    assert fetch(answered(*answers), [7, 9], SIZE) == found


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([None], {}),
        ([(b"1 (UID 7 BODY[] {3}", b"a)b"), b")", (b"2 (UID 9 BODY[] {0}", b""), b")"], {7: b"a)b", 9: b""}),
        ([(b"1 (BODY[] {3}", b"abc"), b" UID 7)"], {7: b"abc"}),
        ([(b"1 (UID 7 BODY[] {3}", b"abc"), b" FLAGS (\\Seen))"], {7: b"abc"}),
        ([(b"1 (UID 7 BODY[] {3}", b"abc"), b")", b"3 (FLAGS (\\Seen))"], {7: b"abc"}),
        ([b"9 (FLAGS ())", (b"1 (UID 7 BODY[] {3}", b"abc"), b")", b"3 (FLAGS ())"], {7: b"abc"}),
        # Expunged meanwhile
        ([b"1 (UID 7 BODY[] NIL)", (b"2 (UID 9 BODY[] {3}", b"abc"), b")"], {9: b"abc"}),
        ([b'1 (UID 7 BODY[] "abc")', b'2 (UID 9 BODY[] "")'], {7: b"abc", 9: b""}),
        ([b"1 (UID 7 BODY[] 12)"], {}),
    ],
)
def test_bodies(answers: list[Any], found: dict[int, bytes]) -> None:
    assert fetch(answered(*answers), [7, 9], BODY) == found


@pytest.mark.parametrize("answer", [b"1", b"1 (UID 7 RFC822.SIZE", b"1 (UID x RFC822.SIZE 5)", b"x (UID 7)", b"1 2"])
def test_what_is_no_answer_is_a_lost_connection(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        fetch(answered(answer), [7], SIZE)
    with pytest.raises(ProtocolError):
        fetch(answered((b"1 (UID 7 BODY[] {3}", b"abc"), answer), [7], BODY)


@pytest.mark.parametrize(
    ("uids", "asked"),
    [([7], "7"), ([1, 2, 3], "1:3"), ([1, 2, 4, 6, 7, 4_294_967_295], "1:2,4,6:7,4294967295")],
)
def test_what_is_asked_for_is_named_by_ranges(uids: list[int], asked: str) -> None:
    """A range has nothing in it that was not asked for."""
    heard = []

    def answer(*words: str) -> tuple[str, list[None]]:
        heard.append(words)
        return "OK", [None]

    assert fetch(SimpleNamespace(_imap=SimpleNamespace(uid=answer)), uids, BODY) == {}
    assert heard == [("FETCH", asked, "(BODY.PEEK[])")]
