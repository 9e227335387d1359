"""The `_mta-sts` TXT record of RFC 8461 section 3.1: that there is a policy, and which edition of it."""

import re
from dataclasses import dataclass
from typing import Final

from tlsrpt_ingest.rfc8461.fields import Fields, InvalidRecord, extension, misspelt, once, split

VERSION: Final = "v=STSv1"
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Record:
    """A record; `str()` is its text."""

    id: str
    """1 to 32 letters and digits, new on every change of the policy; no order is implied."""
    extensions: Fields = ()
    """Fields that RFC 8461 does not know, which senders ignore."""

    def __str__(self) -> str:
        """The text to publish."""
        return "; ".join([VERSION, f"id={self.id}", *(f"{name}={value}" for name, value in self.extensions)])


def parse_record(text: str) -> Record:
    """Read the strings of a TXT record, concatenated; raises InvalidRecord.

    Its codes: "version", "field", "id-missing", "id-invalid", "id-twice".
    """
    fields = split(text, VERSION)
    value = once(fields, "id")
    if value is None:
        raise InvalidRecord("id-missing", f"it has no field id={misspelt(fields, 'id')}")
    if not _ID.fullmatch(value):
        raise InvalidRecord(
            "id-invalid",
            f"its id {value[:80]!r} has {len(value)} characters; "
            "1 to 32 letters and digits are allowed and nothing else",
        )
    return Record(value, tuple(extension(name, other) for name, other in fields if name != "id"))
