"""The program as a user has it: the wheel of the checkout in an environment of its own, run as its console script.

One build serves the whole session, all xdist workers of it.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 300
"""Seconds until a command that hangs is killed; no test depends on the number."""


@dataclass(frozen=True)
class Distribution:
    """What a release consists of."""

    files: tuple[str, ...]
    """The files of the project: what git tracks, or would track."""
    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    status: int
    stdout: str
    stderr: str
    peak: int = field(compare=False, default=0)
    """The largest resident set, in octets."""


class Program:
    """The console script, run with an environment that holds nothing but what a test puts into it."""

    def __init__(self, script: Path, home: Path) -> None:
        self.script = script
        self.home = home

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """HOME, for the XDG folders, and `more`."""
        return {"HOME": str(self.home), **(more or {})}

    def __call__(
        self,
        *args: str | Path,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Ran:
        """Run it to its end. Output is read as UTF-8 and must be such."""
        with self.started(*args, stdin=stdin is not None, env=env, cwd=cwd) as process:
            out, err = process.communicate(stdin, timeout=PATIENCE)
        return Ran(process.returncode, out.decode(), err.decode())

    def measured(self, *args: str | Path) -> Ran:
        """Run it to its end, and say how much memory it took (no more output than a pipe holds)."""
        with self.started(*args) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.stdout
            assert process.stderr
            out, err = process.stdout.read(), process.stderr.read()
        return Ran(process.returncode, out.decode(), err.decode(), usage.ru_maxrss * 1024)

    @contextmanager
    def started(
        self, *args: str | Path, stdin: bool = False, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run it in a process group of its own, which does not outlive the block."""
        process = subprocess.Popen(
            [self.script, *args],
            env=self.environment(env),
            cwd=cwd or self.home,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            except BaseException:
                # Or else leaving `with` would wait for a process that nobody ends.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise


def project_files(root: Path) -> tuple[str, ...]:
    """The files that git tracks, or would track if everything were added."""
    listed = _run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root)
    return tuple(sorted(name for name in listed.split("\0") if name and (root / name).is_file()))


def build(root: Path, folder: Path) -> Distribution:
    """Build the sdist, and the wheel from the sdist, out of a copy in `folder` that holds nothing else."""
    files = project_files(root)
    copy, dist = folder / "copy", folder / "dist"
    if not (folder / "built").exists():
        for name in files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
        _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, copy], cwd=folder)
        (folder / "built").touch()
    (sdist,) = dist.glob("*.tar.gz")
    (wheel,) = dist.glob("*.whl")
    return Distribution(files, sdist, wheel)


def install(distribution: Distribution, folder: Path) -> Path:
    """Install the wheel into an environment of its own in `folder`; returns its console script.

    The dependencies are those of the environment that runs the tests, seen through a path file: that way the checkout,
    which is installed there too, is not seen.
    """
    environment = folder / "environment"
    script = environment / "bin" / "tlsrpt-ingest"
    if not script.exists():
        venv.create(environment, symlinks=True)
        (packages,) = environment.glob("lib/python3*/site-packages")
        (own,) = {Path(path) for path in sys.path if path.startswith(sys.prefix) and path.endswith("site-packages")}
        (packages / "dependencies.pth").write_text(f"{own}\n")
        python = environment / "bin" / "python"
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
        _run(
            [*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", distribution.wheel],
            cwd=folder,
        )
    return script


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold `folder` against the other workers of this test session."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str | Path], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
