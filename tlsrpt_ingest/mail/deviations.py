"""What the mail around a report does otherwise than RFC 8460 section 5: the code words, recorded with path "mail"."""

from types import MappingProxyType
from typing import Final

MAIL_DEVIATIONS: Final = MappingProxyType(
    {
        "not-multipart-report": "the message is not multipart/report; report-type=tlsrpt (section 5.3)",
        "no-tls-report-headers": "TLS-Report-Domain or TLS-Report-Submitter is missing (section 5.3)",
        "no-close-delimiter": "the last part ends with the message and not with a delimiter (RFC 2046 section 5.1.1)",
        "content-type-misspelled": "the part's field is called ContentType (a mail gateway)",
        "media-type-label": "the part is neither application/tlsrpt+gzip nor application/tlsrpt+json (section 6)",
        "json-labelled-gzip": "plain JSON in a part that is called gzip (section 5.1: the extension tells the truth)",
        "gzip-labelled-json": "gzip in a part that is called JSON",
        "transfer-encoding-label": "the octets are not in the Content-Transfer-Encoding that the part names",
        "damaged-base64": "base64 that does not come out even; read as far as whole groups go (RFC 2045 section 6.8)",
        "gzip-trailing-octets": "octets behind the gzip stream; left out",
        "gzip-without-trailer": "the gzip stream stops after the whole JSON text and before its checksum",
        "several-gzip-members": "the gzip stream has several members; read as one text (RFC 1952 section 2.2)",
        "compressed-twice": "a compressed stream in a compressed stream",
        "deflate-without-gzip": "a zlib or raw deflate stream (RFC 1950, 1951) where gzip belongs",
        "zip-archive": "a zip archive where gzip belongs",
    }
)
"""Code word -> what was met. docs/deviations.md has each with its senders and its test."""
