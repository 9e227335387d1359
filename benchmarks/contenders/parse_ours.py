"""Parsing only, ours: from the octets of a message to a validated report and its deviations."""

from benchmarks.contenders.messages import timed
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.mail import open_mail
from tlsrpt_ingest.rfc8460 import read
from tlsrpt_ingest.workers import settle_memory


def parse(octets: bytes) -> None:
    """Open and read."""
    for document in open_mail(octets).documents:
        if isinstance(document, Unreadable):
            raise document
        read(document.octets, document.hints)


if __name__ == "__main__":
    settle_memory()
    timed(parse)
