"""A certificate authority for tests, made by openssl: certificates for 127.0.0.1 and clients, and another authority."""

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
        self._folder = folder
        self._ca_key = ca_key
        self._signed(self.certificate, self.key, "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")

    def client(self, name: str) -> Path:
        """A file with a certificate for a client, and its key."""
        both = self._folder / f"client-{name}.pem"
        key = self._folder / f"client-{name}.key"
        self._signed(both, key, name, "extendedKeyUsage=clientAuth\n")
        both.write_text(both.read_text(encoding="ascii") + key.read_text(encoding="ascii"), encoding="ascii")
        return both

    def host(self, *names: str, days: int = 90, self_signed: bool = False) -> tuple[Path, Path]:
        """Certificate and key of a host with these names; expired where `days` are below 0."""
        label = f"{names[0].replace('*', 'any')}-{days}{'-self' if self_signed else ''}"
        certificate, key = self._folder / f"{label}.pem", self._folder / f"{label}.key"
        if self_signed:
            self._self_signed(certificate, key, names[0])
        elif not certificate.exists():
            extensions = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n"
            self._signed(certificate, key, names[0], extensions, days)
        return certificate, key

    def _signed(self, certificate: Path, key: Path, name: str, extensions: str, days: int = 2) -> None:
        request = certificate.with_suffix(".csr")
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._run("req", *new_key, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        file = certificate.with_suffix(".ext")
        file.write_text(extensions, encoding="ascii")
        self._run(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", file, "-out", certificate),
        )

    def _self_signed(self, certificate: Path, key: Path, name: str) -> None:
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._run("req", "-x509", *new_key, "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={name}")

    def _run(self, *words: str | Path) -> None:
        subprocess.run([self._openssl, *words], check=True, capture_output=True)
