"""The poller, killed between any two steps: each report counts once, each message has one outcome, nothing too soon.

The real IMAP source, loop and SQLite, with a mailbox in memory. A step is an IMAP command (MOVE and STORE have one for
each message) or a statement or commit of the database. At any of them the process may die, the connection may break,
a second poller may run from its beginning to its end (or to a death of its own), somebody may expunge or deliver a
message, and the mailbox may be rebuilt with another UIDVALIDITY.
"""

import hashlib
import imaplib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, event

from tests import builders
from tests.imap_double import Client, Message, Server
from tlsrpt_ingest import limits
from tlsrpt_ingest.config import After, Imap, Secret
from tlsrpt_ingest.errors import IngestError
from tlsrpt_ingest.ingest import ingest
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import imap, imap_after, imap_read, imap_session
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.messages import Messages
from tlsrpt_ingest.tally import Tally

REPORTS = 4
ROTTEN = 2
"""Fewer than the rotten messages in a row at which the server is to blame."""

KINDS = ("report", "other copy", "other content", "no report", "broken", "rotten")
OUTCOMES = {
    "report": {Outcome.RECORDED, Outcome.DUPLICATE, Outcome.CONFLICTING},
    "other copy": {Outcome.RECORDED, Outcome.DUPLICATE, Outcome.CONFLICTING},
    "other content": {Outcome.RECORDED, Outcome.DUPLICATE, Outcome.CONFLICTING},
    "no report": {Outcome.NOT_A_REPORT},
    "broken": {Outcome.REJECTED},
    "rotten": {Outcome.REJECTED, Outcome.RECORDED, Outcome.DUPLICATE, Outcome.CONFLICTING},
}
ACTIONS = ("kill", "second poll", "hang up", "rebuild", "expunge", "deliver")

CHANGES = ("STORE", "MOVE", "COPY", "EXPUNGE", "CREATE")

plans = st.lists(st.tuples(st.integers(0, 25), st.sampled_from(ACTIONS), st.booleans()), min_size=1, max_size=4)
"""What happens in a poll: each so many steps after the one before (a poll with something to do has about sixty), or,
if the last is true, at the next command after that which changes something at the server."""
mail = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, REPORTS - 1)), max_size=6)
Plan = Sequence[tuple[int, str, bool]]
Mails = Sequence[tuple[str, int]]
wishes = st.sampled_from(["keep", "seen", "flag", "move:Archive", "move:Other"])
capabilities = st.sampled_from([("MOVE", "UIDPLUS"), ("UIDPLUS",), ()])


class Killed(BaseException):
    """The end of a process; nothing in the program catches it."""


class Run:
    """One poll: counts its steps, and lets happen what the plan says."""

    def __init__(self, plan: Plan, happen: Callable[[str], None]) -> None:
        moments = accumulate(gap for gap, _action, _changing in plan)
        self._plan = [(at, action, changing) for at, (_gap, action, changing) in zip(moments, plan, strict=True)]
        self._happen = happen
        self.steps = 0
        self._hung_up = False
        self._connections = 0
        self.dead = False

    def watch(self, engine: Engine) -> None:
        @event.listens_for(engine, "checkout")
        def checkout(*_: object) -> None:
            self.step()
            self._connections += 1

        @event.listens_for(engine, "checkin")
        def checkin(*_: object) -> None:
            self._connections -= 1

        @event.listens_for(engine, "before_cursor_execute")
        def statement(*_: object) -> None:
            self.step()

        @event.listens_for(engine, "commit")
        def commit(*_: object) -> None:
            self.step()

    def step(self, command: str = "") -> None:
        """A step; `command` is that of IMAP, and empty at the database."""
        if self.dead:
            raise Killed
        self.steps += 1
        for due in [one for one in self._plan if one[0] < self.steps]:
            _at, action, changing = due
            if changing and not command.startswith(CHANGES):
                continue
            if action == "hang up" and not command:
                continue
            if action == "second poll" and self._connections:
                continue  # it waits until this poller has let go of the database, as SQLite makes it wait
            self._plan.remove(due)
            if action == "kill":
                self.dead = True
                raise Killed
            if action != "hang up":
                self._happen(action)
            elif not self._hung_up:  # once a poll: twice would be a reason to call a good message unfetchable
                self._hung_up = True
                raise imaplib.IMAP4.abort(f"hung up at {command}")


class Poller(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="tlsrpt-crash-")
        self.file = Path(self.folder.name) / "tlsrpt.db"
        shutil.copy(self.template, self.file)
        self.server = Server()
        self.delivered = 0
        self.rotten = 0
        self.gone: set[int] = set()
        """Messages that somebody else expunged, or that we deleted as told."""
        self.next = 0
        self.left: set[str] = set()
        """Rules that make sense once after each disturbed poll."""
        self.running: list[Run] = []
        self.steps = 0
        """Of the last poll."""
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(imap_session, "connect", self.connect)
        self.patch.setattr(imap, "ahead", _not_ahead)
        # Small, so that few messages are several batches.
        self.patch.setattr(imap_read, "FETCH", 2)
        self.patch.setattr(imap, "CHUNK", 2)
        self.patch.setattr(imap_after, "CHUNK", 2)
        self.patch.setattr(limits, "BATCH_ITEMS", 3)

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    # What may happen

    @initialize(wish=st.tuples(wishes, wishes, wishes, wishes, wishes), delete=st.booleans(), can=capabilities)
    def configure(self, wish: tuple[str, ...], delete: bool, can: tuple[str, ...]) -> None:  # noqa: FBT001 - hypothesis
        recorded, duplicate, conflicting, rejected, not_a_report = wish
        self.after = After(
            recorded="delete" if delete else recorded,
            duplicate="delete" if delete else duplicate,
            conflicting=conflicting,
            rejected=rejected,
            not_a_report=not_a_report,
        )
        self.account = Imap(
            name="main", host="imap.example", user="us", password=Secret(environment="X"), after=self.after
        )
        self.capabilities = can

    @rule(mail=mail, plan=plans, second=plans)
    def poll(self, mail: Mails, plan: Plan, second: Plan) -> None:
        for kind, number in mail:
            self._deliver(kind, number)
        self._poll(plan, second)
        self.left = {"undisturbed", "rebuild", "rot", "backfill"}

    @precondition(lambda self: "rebuild" in self.left)
    @rule()
    def rebuild(self) -> None:
        self.left.discard("rebuild")
        self.server.rebuild("INBOX")

    @precondition(lambda self: "rot" in self.left)
    @rule()
    def what_was_rotten_is_healed_and_what_was_broken_rots(self) -> None:
        self.left.discard("rot")
        broken = [message for message in self.server.everything() if message.kind == "broken"]
        for message in self.server.everything():
            message.rotten = message in broken[:ROTTEN]

    @precondition(lambda self: "undisturbed" in self.left)
    @rule()
    def poll_undisturbed(self) -> None:
        self.left.discard("undisturbed")
        failure, _tally = self._poll([], [])
        assert failure is None, failure
        self._everything_is_done()
        again = self._rows("SELECT count(*) FROM delivery WHERE outcome = 'rejected' AND attempts < 3")
        _failure, tally = self._poll([], [])
        assert tally.items <= again[0][0], "what has its outcome was read again"
        self._everything_is_done()

    @precondition(lambda self: "backfill" in self.left and "Archive" in self.server.boxes)
    @precondition(lambda self: self.after.rejected != "move:Archive")
    @rule()
    def backfill_the_archive(self) -> None:
        """The folder that messages are moved to may hold some of them twice."""
        self.left.discard("backfill")
        before = self._counted()
        _failure, tally = self._poll([], [], folders=["Archive"], change=False)
        assert tally.outcomes[Outcome.RECORDED] == 0
        assert self._counted() == before

    # What must be true at any time

    @invariant()
    def nothing_is_lost(self) -> None:
        there = {message.number for message in self.server.everything()}
        assert set(range(self.delivered)) <= there | self.gone

    @invariant()
    def every_message_has_one_outcome(self) -> None:
        rows = self._rows(
            "SELECT mailbox.name, uidvalidity, uid, outcome FROM delivery JOIN mailbox ON mailbox.pk = mailbox_pk"
        )
        assert len({row[:3] for row in rows}) == len(rows), rows
        for name, uidvalidity, uid, outcome in rows:
            assert outcome in OUTCOMES[self.server.had[name, uidvalidity, uid].kind]

    @invariant()
    def every_report_is_counted_once(self) -> None:
        counted = self._counted()
        assert len(dict(counted)) == len(counted)
        assert all(sessions in (100, 101) for _domain, sessions in counted)
        recorded = self._rows("SELECT report_pk FROM delivery WHERE outcome = 'recorded'")
        assert len(set(recorded)) == len(recorded) == len(counted)

    def check(self) -> None:
        """All of these."""
        self.nothing_is_lost()
        self.every_message_has_one_outcome()
        self.every_report_is_counted_once()

    def _everything_is_done(self) -> None:
        box = self.server.boxes["INBOX"]
        rows = self._rows(
            "SELECT uid, outcome FROM delivery JOIN mailbox ON mailbox.pk = mailbox_pk "
            "WHERE mailbox.name = 'INBOX' AND uidvalidity = ?",
            box.uidvalidity,
        )
        outcomes = dict(rows)
        counted = {domain for domain, _sessions in self._counted()}
        for uid, message in box.messages.items():
            assert uid in outcomes
            if outcomes[uid] in ("recorded", "duplicate", "conflicting"):
                assert message.octets.partition(b"TLS-Report-Domain: ")[2].split()[0].decode() in counted
            action = getattr(self.after, outcomes[uid])
            if action == "seen":
                assert b"\\Seen" in message.flags
            if action == "flag":
                assert b"$TlsrptDone" in message.flags
            if action.startswith(("move", "delete")):
                assert not self.capabilities
                assert b"\\Deleted" in message.flags

    # How it is done

    def connect(self, _account: object, _environment: object) -> Client:
        return Client(self.server, self.capabilities, self.running[-1].step, self._allowed)

    def _allowed(self, command: str, name: str, uidvalidity: int, uid: int) -> None:
        """Fail unless the outcome is committed, and the change is what the owner wants done with it."""
        message = self.server.had[name, uidvalidity, uid]
        rows = self._rows(
            "SELECT outcome, digest FROM delivery JOIN mailbox ON mailbox.pk = mailbox_pk "
            "WHERE mailbox.name = ? AND uidvalidity = ? AND uid = ?",
            name, uidvalidity, uid,
        )  # fmt: skip
        assert rows, f"{command} before the commit"
        outcome, digest = rows[0]
        assert digest in (hashlib.sha256(message.octets).digest(), hashlib.sha256(b"").digest())
        action = getattr(self.after, outcome)
        if command in ("STORE \\Deleted", "EXPUNGE") and action != "delete":
            target = action.removeprefix("move:")
            assert any(one.number == message.number for one in self.server.boxes[target].messages.values())
        elif command == "EXPUNGE":
            self.gone.add(message.number)
        else:
            named = {"seen": "STORE \\Seen", "flag": "STORE $TlsrptDone", "delete": "STORE \\Deleted"}
            wanted = {named.get(action), f"MOVE {action[5:]}", f"COPY {action[5:]}"}
            assert command in wanted, (command, action)

    def _poll(
        self,
        plan: Plan,
        second: Plan,
        folders: list[str] | None = None,
        *,
        change: bool = True,
    ) -> tuple[BaseException | None, Tally]:
        def happen(action: str) -> None:
            if action == "second poll":
                self._poll(second, [])
            elif action == "deliver":
                self._deliver("report", self.next % REPORTS)
            elif action == "rebuild":
                self.server.rebuild("INBOX")
            elif messages := self.server.boxes["INBOX"].messages:
                uid = min(messages)
                self.gone.add(messages.pop(uid).number)

        run = Run(plan, happen)
        self.running.append(run)
        # Each run is a process of its own.
        engine = open_engine(f"sqlite:///{self.file}")
        run.watch(engine)
        tally = Tally()
        failure: BaseException | None = None
        try:
            with closing(imap.imap_sources(self.account, {}, Messages(engine), folders, change=change)) as sources:
                for source in sources:
                    ingest(source, engine, tally)
        except (Killed, IngestError) as error:
            failure = error
        finally:
            engine.dispose()
            self.steps = self.running.pop().steps
        return failure, tally

    def _deliver(self, kind: str, number: int) -> None:
        if kind == "rotten":
            self.rotten += 1
            kind = "rotten" if self.rotten <= ROTTEN else "report"
        message = Message(self.delivered, _octets(kind, number, self.delivered), kind, rotten=kind == "rotten")
        self.delivered += 1
        self.next += 1
        self.server.add("INBOX", message)

    def _counted(self) -> list[Any]:
        """Policy domain, of which each report has its own, and sessions."""
        return self._rows("SELECT policy_domain, successful FROM daily_sessions ORDER BY policy_domain")

    def _rows(self, sql: str, *values: object) -> list[Any]:
        """What is committed."""
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(sql, values).fetchall()


def _not_ahead(work: Callable[[], Generator[object]], _interrupt: object) -> Generator[object]:
    """In the same thread, so that the same steps come in the same order each time."""
    return work()


def _octets(kind: str, number: int, message: int) -> bytes:
    domain = f"{number}.example.com"
    if kind == "no report":
        return builders.other_mail(message)
    if kind == "broken":
        return builders.mail(b"\x1f\x8bno gzip at all", domain=domain, message_id=f"<{message}@reporter.example>")
    sessions = 101 if kind == "other content" else 100
    body = builders.report(number, builders.policy(domain, successful=sessions))
    text = builders.document(body)
    unique = f"<{number if kind == 'report' else f'{number}.{message}'}@reporter.example>"
    return builders.mail(builders.gzipped(text), number=number, domain=domain, message_id=unique)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with its tables: each example starts with a copy."""
    file = tmp_path_factory.mktemp("template") / "tlsrpt.db"
    engine = open_engine(f"sqlite:///{file}")
    schema.ready(engine)
    engine.dispose()
    return file


MAIL = [("report", 0), ("other copy", 0), ("broken", 0), ("no report", 0)]


@pytest.mark.parametrize("action", ["kill", "second poll", "hang up"])
def test_once_at_each_step_in_turn(template: Path, action: str) -> None:
    Poller.template = template
    step = 0
    while True:
        poller = Poller()
        try:
            poller.configure(
                ("flag", "move:Archive", "seen", "keep", "move:Other"), delete=False, can=("MOVE", "UIDPLUS")
            )
            poller.poll(MAIL, [(step, action, False)], [])
            poller.check()
            left = poller.steps <= step
            poller.what_was_rotten_is_healed_and_what_was_broken_rots()
            poller.poll_undisturbed()
            poller.check()
        finally:
            poller.teardown()
        if left:
            break
        step += 1
    assert step > 50, f"{step} steps"


def test_what_was_done_with_a_rejected_message_is_not_what_its_report_wishes(template: Path) -> None:
    """It is marked as rejected, read at last, and the process dies before the move."""
    Poller.template = template
    poller = Poller()
    try:
        poller.configure(("move:Archive", "keep", "keep", "seen", "keep"), delete=False, can=("MOVE", "UIDPLUS"))
        poller.poll([("rotten", 0)], [], [])
        poller.what_was_rotten_is_healed_and_what_was_broken_rots()
        poller.poll([], [(0, "kill", True)], [])
        poller.poll_undisturbed()
        poller.check()
    finally:
        poller.teardown()


def test_at_several_steps(template: Path) -> None:
    Poller.template = template
    run_state_machine_as_test(Poller, settings=settings(max_examples=60, stateful_step_count=10))
