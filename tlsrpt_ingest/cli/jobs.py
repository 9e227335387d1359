"""`--jobs` and `--cluster`: who judges."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import click

from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.limits import MIB
from tlsrpt_ingest.workers import Here, WhenMuch, Workers, processors

LITTLE: Final = 4 * MIB
"""Octets that are judged before other processes would have begun."""


ENOUGH: Final = 8
"""Processes for which one that writes is too slow already; each more would only hold what waits to be written."""


def jobs_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The two options."""
    jobs = click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help=f"Judge with N processes; one more writes. Default: one for each processor, {ENOUGH} at most.",
    )
    cluster = click.option(
        "--cluster",
        metavar="URL",
        help="Judge with the workers of the Dask scheduler at URL (tcp://HOST:8786); needs the extra [cluster].",
    )
    return jobs(cluster(command))


def workers(jobs: int | None, cluster: str | None, places: Mapping[str, int | None]) -> Workers:
    """Those who judge what lies at these places: octets by path, None where nobody knows how many.

    To be asked before there are threads and connections.
    """
    if cluster and jobs:
        raise click.UsageError("--jobs and --cluster do not go together")
    if cluster:
        return _cluster(cluster, places)
    much = None in places.values() or sum(filter(None, places.values())) > LITTLE
    count = jobs or (min(processors(), ENOUGH) if much else 1)
    return _processes(count) if count > 1 else Here()


def when_much() -> Workers:
    """Processes beside this one, once there is more than a little to judge: most polls find next to nothing."""
    count = min(processors(), ENOUGH)
    return WhenMuch(partial(_processes, count)) if count > 1 else Here()


def _processes(count: int) -> Workers:
    # Imported here: a tenth of a second that few polls should pay. And `judging` before the processes part, or each
    # would import it for itself.
    from tlsrpt_ingest import judging, processes  # noqa: F401, PLC0415 - as said

    return processes.Processes(count)


def _cluster(url: str, places: Mapping[str, int | None]) -> Workers:
    try:
        from tlsrpt_ingest.cluster import Cluster  # noqa: PLC0415 - an extra, and a second of time
    except ModuleNotFoundError as missing:
        raise Misconfigured(
            f"--cluster needs {missing.name}, which is not installed; type: pip install 'tlsrpt-ingest[cluster]'"
        ) from missing
    return Cluster(url, filter(os.path.exists, places))
