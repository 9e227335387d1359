"""The program: its group of commands, and how each way to end becomes words and an exit status."""

import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from tlsrpt_ingest import __version__
from tlsrpt_ingest.cli.setting import Setting
from tlsrpt_ingest.cli.words import listen, tell
from tlsrpt_ingest.errors import IngestError

_COMMANDS = {
    "alerts": "tlsrpt_ingest.cli.alerts",
    "backfill": "tlsrpt_ingest.cli.backfill",
    "config": "tlsrpt_ingest.cli.configuration",
    "db": "tlsrpt_ingest.cli.database",
    "doctor": "tlsrpt_ingest.cli.doctor",
    "export": "tlsrpt_ingest.cli.export",
    "ledger": "tlsrpt_ingest.cli.look",
    "metrics": "tlsrpt_ingest.cli.metrics",
    "poll": "tlsrpt_ingest.cli.poll",
    "posture": "tlsrpt_ingest.cli.posture",
    "prune": "tlsrpt_ingest.cli.database",
    "reprocess": "tlsrpt_ingest.cli.backfill",
    "serve": "tlsrpt_ingest.cli.serve",
    "show": "tlsrpt_ingest.cli.look",
    "site": "tlsrpt_ingest.cli.site",
    "summary": "tlsrpt_ingest.cli.look",
}
"""Which module has which command. Imported when it is asked for: `poll` with nothing to do should cost little."""


class _Commands(click.Group):
    """The commands, each imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - for the reader and mypy: the table above says so
        return command


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
    sys.exit(status or 0)
