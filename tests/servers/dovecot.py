"""Dovecot for tests: a temporary IMAP server of the session's own, as root or as an ordinary user.

Every user name is accepted with PASSWORD, and has a Maildir of its own that tests may reach into.
"""

import base64
import grp
import hashlib
import hmac
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.certificates import Certificates
from tests.servers.process import folder_for, free_port, program, start, stop, wait

PASSWORD = "s3cret-P4ss"  # noqa: S105 - of a server that lives for one test run
_KEY = b"a key that signs tokens"
_numbers = itertools.count(1)

_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
mail_max_userip_connections = 50
default_vsz_limit = 1G
default_client_limit = 200
maildir_very_dirty_syncs = no
{users}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-urlauth-login {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
{extra}
"""


class Dovecot:
    """A running server."""

    def __init__(self, folder: Path, owner: pwd.struct_passwd, certificates: Certificates, extra: str = "") -> None:
        """`extra` is appended to the configuration."""
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = free_port()
        self.tls_port = free_port()
        self.ca_file = certificates.ca
        self._owner = owner
        self._program = program("dovecot", "/usr/sbin/dovecot", package="dovecot-imapd")
        for name in ("run", "state", "mail"):
            (folder / name).mkdir()
        shutil.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
        folder.chmod(0o755)
        keys = folder / "keys" / "default" / "HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_bytes(base64.b64encode(_KEY))
        (folder / "oauth2.conf").write_text(
            f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={folder}/keys/\n"
            "username_attribute = sub\n",
            encoding="utf-8",
        )
        users = ""
        if os.geteuid() != 0:
            users = (
                f"default_internal_user = {owner.pw_name}\ndefault_login_user = {owner.pw_name}\n"
                f"default_internal_group = {grp.getgrgid(owner.pw_gid).gr_name}\n"
            )
        self._config = folder / "dovecot.conf"
        self._config.write_text(
            _CONFIG.format(
                folder=folder,
                certificate=certificates.certificate,
                key=certificates.key,
                users=users,
                port=self.port,
                tls_port=self.tls_port,
                password=PASSWORD,
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                extra=extra,
            ),
            encoding="utf-8",
        )
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        # As root the master stays root: it has to become the users that own the mail.
        me = pwd.getpwuid(os.geteuid())
        self._server = start(me, [self._program, "-F", "-c", str(self._config)], self.folder)
        wait(self._server, self.folder, lambda: socket.create_connection((self.host, self.port)).close(), OSError)

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        if self._server is not None:
            self.kill_sessions()
            stop(self._server, signal.SIGTERM)
            self._server = None

    def restart(self) -> None:
        """Stop it and start it again, on the same ports."""
        self.stop()
        self.start()

    def kill_sessions(self) -> None:
        """Kill the processes that serve logged-in clients, as an out-of-memory killer would."""
        assert self._server is not None
        for process in Path("/proc").iterdir():
            try:
                status = (process / "stat").read_text(encoding="ascii", errors="replace")
            except (OSError, ValueError):
                continue
            name, _, rest = status.partition("(")[2].rpartition(")")
            if name == "imap" and rest.split()[1] == str(self._server.pid):
                os.kill(int(process.name), signal.SIGKILL)

    def user(self) -> "User":
        """A user that nobody has used yet, with an empty INBOX."""
        return User(self, f"user{next(_numbers)}", self._owner)

    def doveadm(self, *words: str) -> str:
        """Run doveadm on this server."""
        doveadm = program("doveadm", "/usr/bin/doveadm", package="dovecot-imapd")
        done = subprocess.run([doveadm, "-c", self._config, *words], capture_output=True, text=True, check=True)
        return done.stdout


class User:
    """A mailbox owner."""

    def __init__(self, server: Dovecot, name: str, owner: pwd.struct_passwd) -> None:
        self.server = server
        self.name = name
        self._owner = owner
        self._count = 0
        self.maildir = server.folder / "mail" / name
        for folder in (self.maildir, *(self.maildir / name for name in ("cur", "new", "tmp"))):
            self._own(folder)

    def deliver(self, octets: bytes, folder: str = "INBOX", *, claimed: int | None = None) -> Path:
        """Put a message into a folder, as a delivery agent does; its file. `claimed` is a size that is not true."""
        place = self.maildir if folder == "INBOX" else self.maildir / f".{folder.replace('/', '.')}"
        for name in ("", "cur", "new", "tmp"):
            if not (place / name).exists():
                self._own(place / name)
        self._count += 1
        # Dovecot believes sizes in the name (S: octets, W: with CRLF).
        size = f",S={claimed},W={claimed}" if claimed else ""
        path = place / "new" / f"{1_700_000_000 + self._count}.M{self._count}.test{size}"
        path.write_bytes(octets)
        shutil.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        return path

    def files(self, folder: str = "INBOX") -> list[Path]:
        """The files of the messages in a folder."""
        place = self.maildir if folder == "INBOX" else self.maildir / f".{folder.replace('/', '.')}"
        return sorted(path for name in ("new", "cur") for path in (place / name).glob("*"))

    def rebuild(self, folder: str = "INBOX") -> None:
        """Give the mailbox another UIDVALIDITY and its messages other UIDs, as after a restore."""
        place = self.maildir if folder == "INBOX" else self.maildir / f".{folder.replace('/', '.')}"
        for path in place.glob("dovecot*"):
            path.unlink()
        validity = int(time.time()) + next(_numbers) * 1000
        (place / "dovecot-uidlist").write_text(f"3 V{validity} N1\n", encoding="ascii")
        shutil.chown(place / "dovecot-uidlist", self._owner.pw_uid, self._owner.pw_gid)

    def token(self, lifetime: int = 600) -> str:
        """An access token (JWT, RFC 7519) that the server takes."""
        now = int(time.time())
        parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": self.name, "iat": now - 60, "exp": now + lifetime}]
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_base64url(hmac.digest(_KEY, signed.encode(), hashlib.sha256))}"

    def account(self, *, more: str = "", after: str = "", port: int | None = None) -> str:
        """A [[imap]] section for this user, over TLS on the server's port or, in the clear, over another one."""
        security = f'security = "tls"\nca_file = "{self.server.ca_file}"' if port is None else 'security = "none"'
        return (
            f'[[imap]]\nname = "{self.name}"\nhost = "{self.server.host}"\nport = {port or self.server.tls_port}\n'
            f'{security}\nuser = "{self.name}"\npassword = {{ environment = "IMAP_PASSWORD" }}\n{more}\n'
            f"[imap.after]\n{after}\n"
        )

    def _own(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, self._owner.pw_uid, self._owner.pw_gid)


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA of this session's own, and a certificate for 127.0.0.1 and localhost."""
    folder = tmp_path_factory.mktemp("certificates")
    return Certificates(folder)


@contextmanager
def running(certificates: Certificates, extra: str = "") -> Iterator[Dovecot]:
    """A Dovecot that lives as long as the block."""
    with folder_for("nobody") as (folder, owner):
        server = Dovecot(folder, owner, certificates, extra)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """A Dovecot of this test session."""
    with running(certificates) as server:
        yield server


@pytest.fixture
def mailbox(dovecot: Dovecot) -> User:
    """A user of the session's Dovecot with an empty INBOX."""
    return dovecot.user()
