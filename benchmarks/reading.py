"""Time what the outputs ask a large database, and a poll of it (`benchmarks.large` fills one).

    python -m benchmarks.reading sqlite:////tmp/large.db

Prints the median of five of each, the newest day being today's; whole-database questions are asked once.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, func, select

from benchmarks.large import MAILBOX
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.metrics import DAYS
from tlsrpt_ingest.store import views
from tlsrpt_ingest.store.ask import totals
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.extract import What, extract
from tlsrpt_ingest.store.measures import measure
from tlsrpt_ingest.store.messages import Messages
from tlsrpt_ingest.store.readiness import readiness_of
from tlsrpt_ingest.store.seen import policies_since
from tlsrpt_ingest.store.writer import Writer

TIMES: Final = 5
MONTH: Final = timedelta(days=30)


def questions(url: str, engine: Engine) -> dict[str, Callable[[], Any]]:
    """What is asked of some days, or of one mailbox."""
    since = datetime.now(UTC).date() - MONTH
    messages = Messages(engine)

    def rows(asked: Any) -> Callable[[], Any]:
        return lambda: _all(engine, asked)

    return {
        "summary --since 30d, the command": lambda: _command(url, "--since", "30d"),
        "summary --since 30d, its questions": lambda: totals(engine, since),
        "daily_sessions of 30 days": rows(select(views.daily_sessions).where(views.daily_sessions.c.day >= since)),
        "failure of 1 day": rows(_failures(since + MONTH - timedelta(days=2), since + MONTH - timedelta(days=2))),
        "failure of 30 days, summed by domain and type": rows(_counted(since)),
        "metrics, its questions": lambda: measure(engine, datetime.now(UTC), DAYS),
        "readiness of 30 domains": lambda: readiness_of(
            engine, [f"d{number}.customer.example" for number in range(30)]
        ),
        "export of all failures, the first page": lambda: next(extract(engine, What.FAILURES).pages),
        "policies seen in 30 days": rows(select(policies_since(since))),
        "a poll: 1,000,000 UIDs that are known": lambda: [
            messages.known(MAILBOX, low, low + 49_999, 1) for low in range(1, 1_000_000, 50_000)
        ],
        "a poll: what is to be settled": lambda: next(messages.unsettled(MAILBOX, {Outcome.REJECTED}), None),
        "a poll: the next pk": lambda: _next_pk(engine),
    }


def whole(url: str, engine: Engine) -> dict[str, Callable[[], Any]]:
    """What is asked of everything."""
    return {
        "summary, the command": lambda: _command(url),
        "policy_seen": lambda: _all(engine, select(views.policy_seen)),
        "sender": lambda: _all(engine, select(views.sender)),
    }


def _failures(first: date, last: date) -> Any:
    day = views.failure.c.day
    return select(views.failure).where(day >= first, day <= last)


def _counted(since: date) -> Any:
    view = views.failure.c
    key = (view.policy_domain, view.result_type)
    return select(*key, func.sum(view.failed_session_count)).where(view.day >= since).group_by(*key)


def _all(engine: Engine, asked: Any) -> int:
    with engine.connect() as connection:
        return len(connection.execute(asked).all())


def _next_pk(engine: Engine) -> None:
    with engine.connect() as connection:
        Writer(connection).take(1)


def _command(url: str, *words: str) -> None:
    command = [sys.executable, "-m", "tlsrpt_ingest", "summary", "--database", url, *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command


def _timed(ask: Callable[[], Any], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.monotonic()
        ask()
        took.append(time.monotonic() - began)
    return statistics.median(took)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", help="its URL")
    url = parser.parse_args().database
    engine = open_engine(url)
    for asked, times in ((questions(url, engine), TIMES), (whole(url, engine), 1)):
        for name, ask in asked.items():
            print(f"{_timed(ask, times):>8.3f} s  {name}", flush=True)


if __name__ == "__main__":
    main()
