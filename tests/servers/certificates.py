"""A certificate authority for tests, made by openssl: a certificate for 127.0.0.1, and one that nobody trusts."""

import subprocess
from pathlib import Path

from tests.servers.process import program


class Certificates:
    """PEM files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._openssl = program("openssl", "/usr/bin/openssl", package="openssl")
        self.ca = folder / "ca.pem"
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"
        self.other_ca = folder / "other-ca.pem"
        ca_key = folder / "ca.key"
        self._self_signed(self.ca, ca_key, "Test CA")
        self._self_signed(self.other_ca, folder / "other-ca.key", "Other CA")
        request = folder / "server.csr"
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._run("req", *new_key, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        names = folder / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", encoding="ascii")
        self._run(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2"),
            *("-extfile", names, "-out", self.certificate),
        )

    def _self_signed(self, certificate: Path, key: Path, name: str) -> None:
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._run("req", "-x509", *new_key, "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={name}")

    def _run(self, *words: str | Path) -> None:
        subprocess.run([self._openssl, *words], check=True, capture_output=True)
