"""Checking the mail hosts themselves (`--probe`): STARTTLS, and the certificate against name, authority and TLSA."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from tlsrpt_ingest.check import Check
from tlsrpt_ingest.posture.codes import found
from tlsrpt_ingest.posture.connection import Certificate, ConnectionFailed, Way, no_trust
from tlsrpt_ingest.posture.probe import probe
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.posture.sts import soon, until
from tlsrpt_ingest.rfc8460.seen import Tlsa


def host_checks(way: Way, published: Published) -> Iterator[Check]:
    """Connect to each MX. After the checks of MX, TLSA and policy."""
    for host, addresses in published.mx.items():
        if addresses:
            yield from _host(way, published, host)


def _host(way: Way, published: Published, host: str) -> Iterator[Check]:
    what = f"{host} port {way.port}"
    records = published.tlsa.get(host, frozenset())
    try:
        certificate = probe(host, published.mx[host], way)
    except ConnectionFailed as failed:
        if not failed.code.startswith("certificate-") or not records or published.policy is not None:
            yield found(what, f"probe-{failed.code}", str(failed))
        if not failed.code.startswith("certificate-") or not records:
            return
        try:
            certificate = probe(host, published.mx[host], replace(way, context=no_trust()))
        except ConnectionFailed as again:
            yield found(what, f"probe-{again.code}", str(again))
            return
    else:
        if certificate.covers(host):
            yield found(what, "probe", f"STARTTLS with {certificate.tls_version}; {until(certificate.expires)}")
        elif not records or published.policy is not None:
            names = ", ".join(certificate.names) or "no name at all"
            yield found(what, "probe-certificate-name", f"the certificate is for {names} and not for {host}")
        if soon(certificate.expires):
            yield found(what, "probe-certificate-expires", until(certificate.expires))
    if records:
        yield _dane(what, certificate, records)


def _dane(what: str, certificate: Certificate, records: frozenset[Tlsa]) -> Check:
    comparable = [record for record in records if record.usage == 3]  # noqa: PLR2004 - DANE-EE: the server's own
    if any(associated(record, certificate.der) for record in comparable):
        return found(what, "probe", "its certificate is that of a TLSA record (DANE)")
    if len(comparable) < len(records):
        return found(what, "probe-tlsa-untold", "it has TLSA records for an authority (usage 2)")
    return found(what, "probe-tlsa-mismatch", "its certificate is that of no TLSA record")


def associated(record: Tlsa, der: bytes) -> bool:
    """Whether a TLSA record is for this certificate (RFC 6698 section 2.1)."""
    selected = der if record.selector == 0 else public_key(der)
    match record.matching_type:
        case 0:
            return selected.hex() == record.data
        case 1:
            return hashlib.sha256(selected).hexdigest() == record.data
        case 2:
            return hashlib.sha512(selected).hexdigest() == record.data
    return False


def public_key(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1), for which `ssl` has no function."""
    certificate = _elements(_elements(der)[0][1])
    fields = _elements(certificate[0][1])
    # version [0] is left out in certificates of version 1; then serialNumber, signature, issuer, validity, subject.
    return fields[6 if fields[0][0].startswith(_VERSION) else 5][0]


def _elements(der: bytes) -> list[tuple[bytes, bytes]]:
    """The DER elements in a row: each whole, and its content."""
    elements: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(der):
        length, head = der[at + 1], 2
        if length & 0x80:
            head += length & 0x7F
            length = int.from_bytes(der[at + 2 : at + head], "big")
        elements.append((der[at : at + head + length], der[at + head : at + head + length]))
        at += head + length
    return elements


_VERSION = b"\xa0"
