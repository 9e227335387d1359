"""`python -m tlsrpt_ingest` is the console script."""

from tlsrpt_ingest.cli import main

main()
