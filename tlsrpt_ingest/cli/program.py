"""The program: its group of commands, and how each way to end becomes words and an exit status."""

import gc
import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from tlsrpt_ingest import __version__
from tlsrpt_ingest.cli.words import listen, tell
from tlsrpt_ingest.errors import IngestError

_COMMANDS = {
    "alerts": ("alerts", "Tell once what is new, and once that it is over."),
    "backfill": ("backfill", "Read archives into the database."),
    "config": ("configuration", "Check or print the config."),
    "db": ("database", "Look at the database's schema, or upgrade it."),
    "doctor": ("doctor", "Try the config, the database and each account."),
    "export": ("export", "Write rows as CSV, JSON Lines or Parquet."),
    "ledger": ("look", "List what became of each delivery, and why."),
    "metrics": ("metrics", "Write numbers for Prometheus."),
    "poll": ("poll", "Read new reports from the accounts of the config."),
    "posture": ("posture", "Say what domains publish for TLS, and what is wrong with it."),
    "prune": ("database", "Delete reports of long ago."),
    "reprocess": ("reprocess", "Read again what was rejected or did not count."),
    "serve": ("serve", "Take reports by HTTPS POST."),
    "show": ("look", "Explain reports, without a database."),
    "site": ("site", "Write static pages."),
    "summary": ("look", "Say how mail to each domain arrived."),
}
"""Which module of `cli` has which command, and what --help says of it.

Imported when it is asked for: `poll` with nothing to do should cost little, and --help next to nothing.
"""


class _Commands(click.Group):
    """The commands, each imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        # What is imported is there to stay: looking for garbage in it is a tenth of the time to start.
        gc.disable()
        try:
            command = getattr(import_module(f"tlsrpt_ingest.cli.{_COMMANDS[cmd_name][0]}"), cmd_name)
        finally:
            gc.freeze()
            gc.enable()
        assert isinstance(command, click.Command)  # noqa: S101 - for the reader and mypy: the table above says so
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_module, words) in sorted(_COMMANDS.items())])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The config file. Default: $TLSRPT_INGEST_CONFIG, "
    "then $XDG_CONFIG_HOME/tlsrpt-ingest/config.toml, then /etc/tlsrpt-ingest/config.toml.",
)
@click.option("-v", "--verbose", count=True, help="More words on stderr; twice for all of them.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, verbose: int, quiet: bool) -> None:  # noqa: FBT001 - click calls it
    """Turn a mailbox of SMTP TLS reports (RFC 8460) into rows in a SQL database.

    Data goes to stdout, words go to stderr. Exit status: 0 done, 2 usage, 65 something was rejected and --strict was
    given (or posture found something wrong), 75 try again later, 77 login refused, 78 configuration.
    """
    # Imported here: --help and --version do without config and database.
    from tlsrpt_ingest.cli.setting import Setting  # noqa: PLC0415 - as said

    listen(verbose=verbose, quiet=quiet)
    ctx.obj = Setting(config, os.environ)


def main() -> NoReturn:
    """Run the program and exit with the status that tells the truth."""
    try:
        # Not cli.main(), which answers EPIPE with status 1.
        with cli.make_context("tlsrpt-ingest", sys.argv[1:]) as context:
            status = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as usage:
        usage.show()
        sys.exit(usage.exit_code)
    except (click.Abort, KeyboardInterrupt):
        tell("stopped")
        sys.exit(130)
    except IngestError as error:
        logging.getLogger("tlsrpt_ingest").debug("raised here", exc_info=True)
        tell(str(error))
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    finally:
        gc.freeze()  # Python's last look for garbage would be at everything, which goes away with the process
    sys.exit(status or 0)
