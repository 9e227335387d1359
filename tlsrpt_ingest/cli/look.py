"""`show`, `summary` and `ledger`: looking at reports and at what became of them."""

from datetime import datetime

import click

from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import ask
