"""Parsing only, the floor: what the least conceivable Python does: find, decode, inflate, `orjson.loads`; no check."""

import re

import orjson
from isal import isal_zlib
from pybase64 import b64decode

from benchmarks.contenders.messages import timed

_BOUNDARY = re.compile(rb'boundary="([^"]+)"')


def document(octets: bytes) -> bytes:
    """The document of a message of the corpus, and of no other."""
    boundary = b"\n--" + _BOUNDARY.search(octets)[1]  # type: ignore[index]  # every message of the corpus has one
    part = octets.find(boundary, octets.find(boundary) + 1)
    begin = octets.find(b"\n\n", part) + 2
    encoded = octets[begin : octets.find(boundary, begin)]
    return bytes(isal_zlib.decompressobj(31).decompress(b64decode(encoded), 20 << 20))


if __name__ == "__main__":
    timed(lambda octets: orjson.loads(document(octets)))
