"""Mails signed by DKIM (RFC 6376) with a real key, for tests; dkimpy signs."""

import base64
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from dkim import DKIM
from dkim.canonicalization import CanonicalizationPolicy
from dkim.crypto import HASH_ALGORITHMS, parse_pem_private_key

from tests.servers.process import program

SIGNED = ("from", "to", "subject", "message-id", "mime-version", "content-type", "tls-report-submitter")


class Key:
    """An RSA key."""

    def __init__(self, folder: Path, bits: int = 2048) -> None:
        file = folder / "dkim.key"
        openssl = program("openssl", "/usr/bin/openssl", package="openssl")
        subprocess.run([openssl, "genrsa", "-traditional", "-out", file, str(bits)], check=True, capture_output=True)
        self._private = file.read_bytes()
        public = subprocess.run(
            [openssl, "rsa", "-in", file, "-pubout", "-outform", "DER"], check=True, capture_output=True
        )
        self.public = base64.b64encode(public.stdout).decode()

    def record(self, *tags: str) -> str:
        """The TXT record, as a zone file has it: `record("s=tlsrpt")`."""
        text = "; ".join(["v=DKIM1", "k=rsa", *tags, f"p={self.public}"])
        return "TXT " + " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))

    def sign(
        self,
        message: bytes,
        domain: str = "reporter.example",
        selector: str = "tls",
        *,
        expires: int | None = None,
        length: int | None = None,
        names: Sequence[str] = SIGNED,
        algorithm: str = "rsa-sha256",
    ) -> bytes:
        """The message with a signature on top; `expires` in seconds from now, `length` octets of the body (`l=`)."""
        signing = DKIM(message, linesep=b"\n", signature_algorithm=algorithm.encode())
        canonical = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
        signing.hasher = HASH_ALGORITHMS[algorithm.encode()]
        body = signing.hasher(canonical.canonicalize_body(signing.body)[:length]).digest()
        now = int(time.time())
        tags = {
            "v": "1", "a": algorithm, "c": "relaxed/relaxed", "d": domain, "s": selector, "t": str(now - 200_000),
            "h": " : ".join(names), "bh": base64.b64encode(body).decode(), "b": "0" * 60,
        }  # fmt: skip
        if expires is not None:
            tags["x"] = str(now + expires)
        if length is not None:
            tags["l"] = str(length)
        tags["b"] = tags.pop("b")  # dkimpy wants it last
        value: bytes = signing.gen_header(
            [(name.encode(), text.encode()) for name, text in tags.items()],
            [name.encode() for name in names],
            canonical,
            b"DKIM-Signature",
            parse_pem_private_key(self._private),
        )
        return b"DKIM-Signature: " + value.strip() + b"\n" + message
