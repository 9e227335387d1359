"""Parsing only, parsedmarc: its own way in for one message. Run by the interpreter of its own environment."""

import sys
from pathlib import Path

from parsedmarc import parse_report_email

sys.path.insert(0, str(Path(__file__).parent))
from messages import timed  # type: ignore[import-not-found]  # beside this file


def parse(octets: bytes) -> None:
    """Parse, and make sure that it is a TLS report."""
    if parse_report_email(octets, offline=True)["report_type"] != "smtp_tls":
        raise AssertionError


if __name__ == "__main__":
    timed(parse, warm=2)
