"""The report document of RFC 8460 section 4.4 as strict, frozen pydantic models, spelled as the JSON spells it.

Members that RFC 8460 does not know are kept in `model_extra` under their own names. Nothing here repairs: what a sender
really writes goes through `tlsrpt_ingest.rfc8460.read` first.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tlsrpt_ingest import limits

Count = Annotated[int, Field(ge=0, le=limits.COUNT)]
"""A session count: a JSON integer that every database holds."""

Members = dict[str, Any]
"""A report, or an object in it, as its JSON spells it: dicts, tuples and datetimes in place of models."""


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class _Object(BaseModel):
    # Built when the first one is made: most runs make none (see `Reading.report`).
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="allow",
        alias_generator=_kebab,
        validate_by_name=True,
        cache_strings="none",
        defer_build=True,
    )

    def __eq__(self, other: object) -> bool:
        """Whether it says the same; a subclass that was stricter about its making (`ordinary`) makes no difference."""
        if not isinstance(other, _Object):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self.unknown_members == other.unknown_members

    def __hash__(self) -> int:
        """Equal where they are equal; unknown members may hold lists, which have no hash."""
        return hash(tuple(self.__dict__.values()))

    @property
    def unknown_members(self) -> Mapping[str, object]:
        """The members that RFC 8460 does not know, as they came."""
        return self.model_extra or {}


class DateRange(_Object):
    """The reporting period; `start_datetime` says the day, never the end (it is exclusive at Mail.ru and Stalwart)."""

    start_datetime: AwareDatetime
    end_datetime: AwareDatetime


class Policy(_Object):
    """The policy that the sender saw. For `tlsa`, `policy_domain` may be the MX host (RFC 8460 section 1.1)."""

    policy_type: str
    policy_string: tuple[str, ...] = ()
    policy_domain: str | None = None
    mx_host: tuple[str, ...] = ()


class Summary(_Object):
    """Sessions under the policy; failure details may add up to more (RFC 8460 section 4.4)."""

    total_successful_session_count: Count = 0
    total_failure_session_count: Count = 0


class FailureDetail(_Object):
    """One kind of failure, met `failed_session_count` times. Addresses are text: kept as the sender wrote them."""

    result_type: str
    sending_mta_ip: str | None = None
    receiving_mx_hostname: str | None = None
    receiving_mx_helo: str | None = None
    receiving_ip: str | None = None
    failed_session_count: Count = 0
    additional_information: str | None = None
    failure_reason_code: str | None = None


class PolicyEntry(_Object):
    """One element of `policies`."""

    policy: Policy
    summary: Summary = Summary.model_construct()
    failure_details: tuple[FailureDetail, ...] = ()


class Report(_Object):
    """One aggregate report."""

    organization_name: str | None = None
    date_range: DateRange
    contact_info: str | None = None
    report_id: str
    policies: tuple[PolicyEntry, ...] = ()

    @property
    def policy_domains(self) -> frozenset[str]:
        """The policy domains that the report names: with organization, report-id and period, its identity."""
        return frozenset(entry.policy.policy_domain for entry in self.policies if entry.policy.policy_domain)
