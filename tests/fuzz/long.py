"""Fuzz for as long as it is told: `python -m tests.fuzz.long message --seconds 3600 [--folder .fuzz]`.

Coverage guides it (atheris, which is libFuzzer for Python). It ends with the first finding, whose octets it leaves in
the folder as `message-crash-...`, `-timeout-...` or `-oom-...`: mend it, put the octets into tests/fuzz/found/message/,
and start again.
"""

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tlsrpt_ingest"]):
    from tests.fuzz.seeds import WORDS, found, seeds
    from tests.fuzz.targets import TARGETS

SLOW = 10
"""Seconds within which every input has to be done with."""

MEMORY = 1024
"""MiB that the process may take."""

LONGEST = 64 * 1024
"""Octets of the longest input tried."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="for the corpus and the findings")
    asked = parser.parse_args()
    corpus = asked.folder / asked.target
    corpus.mkdir(parents=True, exist_ok=True)
    known = [*seeds(asked.target), *(octets for _name, octets in found(asked.target))]
    for number, octets in enumerate(known):
        (corpus / f"seed-{number:04}").write_bytes(octets)
    words = asked.folder / f"{asked.target}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS[asked.target] if 0 < len(word) <= 64))
    options = [
        f"-max_total_time={asked.seconds}",
        f"-timeout={SLOW}",
        f"-rss_limit_mb={MEMORY}",
        f"-max_len={LONGEST}",
        f"-dict={words}",
        f"-artifact_prefix={corpus.parent}/{asked.target}-",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[asked.target])
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


if __name__ == "__main__":
    main()
