"""The command line: the only place that reads argv and the environment, and that exits."""

from tlsrpt_ingest.cli.program import main

__all__ = ["main"]
