"""Two hundred clients of `serve` at once, good and bad, while its PostgreSQL is stopped and started again."""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from tests import builders
from tests.installed import Program
from tests.servers.databases import Postgresql, postgresql_of_its_own
from tests.servers.serving import GZIP, JSON, Serving
from tlsrpt_ingest.store.engine import open_engine

SECONDS = float(os.environ.get("SERVE_SECONDS", "8"))
"""How long the clients go on; 30 is the large test."""
CLIENTS = 200
LARGEST = 1 << 20
MEMORY = 300
"""MiB that the server may take at its worst: some 80 with all that it imports, the bodies in hand the rest."""


@dataclass
class Seen:
    """What the clients were answered."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By kind of post and status; 0 where the connection was closed without an answer."""
    accepted: Counter[int] = field(default_factory=Counter)
    """How often the report with this number got a 2xx."""
    created: Counter[int] = field(default_factory=Counter)
    """How often a 201."""
    away: bool = False
    """Whether the database is, or was a moment ago, stopped on purpose."""
    wrongly: list[tuple[str, int]] = field(default_factory=list)
    """5xx while it was not."""
    memory: list[int] = field(default_factory=list)
    """KiB resident, from time to time."""


class Client:
    """One sender, with an address of its own, that posts until the time is over."""

    def __init__(self, number: int, port: int, seen: Seen) -> None:
        self._address = f"127.0.{1 + number // 200}.{1 + number % 200}"
        self._number = number
        self._port = port
        self._seen = seen
        self._chance = random.Random(number)  # noqa: S311 - a seed for a test
        self._mine: list[int] = []

    async def run(self, end: float) -> None:
        kinds = [self.good, self.good, self.good, self.repeated, self.repeated, self.broken, self.huge, self.slow]
        while time.monotonic() < end:
            await self._chance.choice(kinds)()

    async def good(self) -> None:
        number = self._number + len(self._mine) * CLIENTS
        self._mine.append(number)
        await self._report(number, "good")

    async def repeated(self) -> None:
        """One of its own again, or one that another client has as well."""
        mine = self._mine or [self._number]
        await self._report(self._chance.choice([*mine, self._chance.randrange(CLIENTS)]), "repeated")

    async def _report(self, number: int, kind: str) -> None:
        document = builders.document(builders.report(number))
        body, media_type = (document, JSON) if number % 2 else (builders.gzipped(document), GZIP)
        status = await self._post(kind, [body], media_type)
        if status in (200, 201):
            self._seen.accepted[number] += 1
            self._seen.created[number] += status == 201

    async def broken(self) -> None:
        body = builders.gzipped(builders.document(builders.report(self._number)))
        await self._post("broken", [body[: self._chance.randrange(len(body) // 2)]], GZIP)

    async def huge(self) -> None:
        """Without its size in the head, so that it has to be read to be found too large."""
        await self._post("huge", [bytes(64 * 1024)] * 32, GZIP, chunked=True)

    async def slow(self) -> None:
        """Drop by drop, and never to its end."""
        body = builders.document(builders.report(self._number))
        await self._post("slow", [body[at : at + 1] for at in range(len(body) - 1)], JSON, size=len(body), pause=0.02)

    async def _post(
        self, kind: str, pieces: list[bytes], media_type: str, *, size: int = 0, chunked: bool = False, pause: float = 0
    ) -> int:
        blame = not self._seen.away
        how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size or len(pieces[0])}"
        head = f"POST /{kind} HTTP/1.1\r\nHost: tlsrpt.example.org\r\nContent-Type: {media_type}\r\n{how}\r\n\r\n"
        status = 0
        # Whoever is cut off in the middle of writing still may have an answer to read.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._address, 0))
            try:
                answer = asyncio.ensure_future(reader.readline())
                with contextlib.suppress(OSError):
                    writer.write(head.encode())
                    for piece in pieces:
                        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                        await writer.drain()
                        if answer.done():
                            break
                        await asyncio.sleep(pause)
                    else:
                        if chunked:
                            writer.write(b"0\r\n\r\n")
                line = await answer
                status = int(line.split()[1]) if line else 0
            finally:
                writer.close()
        self._seen.statuses[kind, status] += 1
        if status >= 500 and blame and not self._seen.away:
            self._seen.wrongly.append((kind, status))
        return status


async def everybody(serving: Serving, seen: Seen) -> None:
    """All clients, to the end of their time."""
    end = time.monotonic() + SECONDS

    async def watch() -> None:
        while time.monotonic() < end:
            seen.memory.append(memory(serving.process.pid, "VmRSS"))
            await asyncio.sleep(SECONDS / 40)

    clients = (Client(number, serving.port, seen).run(end) for number in range(CLIENTS))
    await asyncio.gather(watch(), *clients)


def interrupt(server: Postgresql, seen: Seen) -> None:
    """Let the database go away for a while in the middle."""
    time.sleep(SECONDS / 3)
    seen.away = True
    server.stop()
    time.sleep(SECONDS / 10)
    server.start()
    # Who asked while it was away may be told so a little later.
    time.sleep(SECONDS / 10)
    seen.away = False


def memory(process: int, what: str) -> int:
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1])


def test_two_hundred_clients(program: Program) -> None:
    config = "max_body_mib = 1\nrequests_in_hand = 400\nrequests_per_minute = 100000"
    with postgresql_of_its_own({"fsync": "off", "full_page_writes": "off"}) as server:
        url = f"{server.url}/postgres"
        assert program("db", "upgrade", "--database", url).status == 0
        # Slow ones are cut off within the test, and there is a place for everybody.
        with Serving(program, url, config, limits={"REQUEST_BODY": 1, "CONNECTIONS": 5000}) as serving:
            seen = Seen()
            with ThreadPoolExecutor(1) as crowd:
                clients = crowd.submit(asyncio.run, everybody(serving, seen))
                # Not there but here: a server that a test starts ends with the thread that started it.
                interrupt(server, seen)
                clients.result()
            peak = memory(serving.process.pid, "VmHWM")
            assert serving.stop() == 0
            log = serving.log()
        engine = open_engine(url)
        with engine.connect() as connection:
            counted = Counter(connection.execute(text("SELECT report_id FROM report")).scalars().all())
            outcomes = Counter(connection.execute(text("SELECT outcome FROM delivery")).scalars().all())
        engine.dispose()
    figures = f"{sorted(seen.statuses.items())}, {outcomes}, {len(counted)} reports, peak {peak} KiB of {seen.memory}"
    print(figures)  # noqa: T201 - what the large test is run for
    # Everything was there: accepted, repeated, refused for each reason, and the database away.
    met = {key for key, count in seen.statuses.items() if count}
    assert {("good", 201), ("good", 503), ("repeated", 200), ("broken", 400), ("huge", 413), ("slow", 408)} <= met
    assert not seen.wrongly
    # Each 2xx is in the database, once; "created" is said once, but where the answer was lost with the database.
    identities = {number: builders.report(number)["report-id"] for number in seen.accepted}
    assert {number: counted[identity] for number, identity in identities.items()} == dict.fromkeys(identities, 1)
    assert max(counted.values()) == 1
    assert max(seen.created.values()) == 1
    # No more than that, and what nobody was answered for.
    assert outcomes["conflicting"] == 0
    assert "Traceback" not in log
    # Flat once it has seen everything, the outage too: what comes behind that adds nothing but noise.
    before, late = max(seen.memory[: len(seen.memory) * 6 // 10]), max(seen.memory[-5:])
    assert late < before + 16 * 1024
    assert peak < MEMORY * 1024
