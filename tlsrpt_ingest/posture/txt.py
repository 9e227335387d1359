"""Looking up the TXT record of RFC 8460 or RFC 8461 at its name: one, not none and not several."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from tlsrpt_ingest.check import Check
from tlsrpt_ingest.posture.codes import found
from tlsrpt_ingest.posture.lookup import Answer, Lookup, LookupFailed
from tlsrpt_ingest.rfc8461.fields import Fields, InvalidRecord, select

DAY: Final = 86_400

Parsed = TypeVar("Parsed")


@dataclass(slots=True)
class Txt(Generic[Parsed]):
    """The record at `name` that begins with `version`; `codes` ("tlsrpt", "sts") is how its codes begin."""

    name: str
    version: str
    codes: str
    parse: Callable[[str], Parsed]
    answer: Answer[str] | None = None
    """None where the lookup failed."""
    text: str | None = None
    record: Parsed | None = None

    def check(self, lookup: Lookup) -> Iterator[Check]:
        """Look it up, and say what is wrong with it; nothing where there is none, or where all is fine."""
        try:
            self.answer = lookup.txt(self.name)
        except LookupFailed as failed:
            yield unanswered(self.name, failed)
            return
        texts = select(self.answer.values, self.version)
        if len(texts) > 1:
            yield found(self.name, f"{self.codes}-several", f"{len(texts)} records begin with {self.version}")
            return
        texts = texts or [text for text in self.answer.values if self._resembles(text)][:1]
        if not texts:
            return
        self.text = texts[0]
        try:
            self.record = self.parse(self.text)
        except InvalidRecord as error:
            yield found(self.name, f"{self.codes}-{error.code}", f"{self.text!r}: {error}")
            return
        if self.answer.ttl > DAY:
            yield found(self.name, "ttl-long", f"its TTL is {self.answer.ttl} seconds")

    def _resembles(self, text: str) -> bool:
        """Whether it was meant to be the record: has its word, which `v=spf1 a:hosts...` of a wildcard has not."""
        word = re.escape(self.version.removeprefix("v=").removesuffix("v1"))
        return re.search(rf"(?<![\w.-]){word}(?![a-uw-z.-])", text, re.IGNORECASE) is not None

    @property
    def missing(self) -> bool:
        """Whether it is certain that nothing like the record is there."""
        return self.answer is not None and self.text is None and not select(self.answer.values, self.version)

    @property
    def absence(self) -> str:
        """Why it is missing, for people."""
        assert self.answer is not None  # noqa: S101 - for mypy: asked where it is missing
        if not self.answer.values:
            return self.answer.absence
        others = len(self.answer.values)
        return (
            f"{others} TXT {'record is' if others == 1 else 'records are'} there, and none begins with {self.version};"
        )

    @property
    def beside(self) -> str:
        """What else there is to say of a good record: how it was found, what lies beside it."""
        assert self.answer is not None  # noqa: S101 - for mypy: asked where there is a record
        others = len(self.answer.values) - 1
        beside = f"; other TXT records beside it: {others}, which senders pass over" if others else ""
        return f"{self.answer.way} (TTL {self.answer.ttl}){beside}"


def unanswered(what: str, failed: LookupFailed) -> Check:
    """The check of what could not be looked up."""
    return found(what, failed.code, str(failed), exit_status=75)


def unknown_fields(what: str, codes: str, fields: Fields) -> Iterator[Check]:
    """What to say of fields that the RFC does not know."""
    if fields:
        names = ", ".join(name for name, _ in fields)
        yield found(what, f"{codes}-unknown-field", f"it has fields that the RFC does not know: {names}")
