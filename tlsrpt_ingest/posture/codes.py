"""Everything that `posture` may find, by a fixed word: how good or bad it is, and what to do about it."""

from typing import Final

from tlsrpt_ingest.check import Check, Finding

_GRAMMAR: Final = "Senders do not read what the grammar does not allow: publish what `posture --recommend` prints."
_POLICY: Final = "Serve what `posture --recommend` prints, and give the _mta-sts record a new id."
_FETCH: Final = "Senders cannot fetch the policy (sts-policy-fetch-error):"
_WEBPKI: Final = "Senders do not take a policy from such a host (sts-webpki-invalid):"
_ENFORCE: Final = "In mode enforce senders do not deliver:"

CODES: Final[dict[str, tuple[Finding, str]]] = {
    code: (finding, advice)
    for finding, codes in {
        Finding.FINE: dict.fromkeys(
            (
                "tlsrpt-record",
                "rua-ours",
                "sts-record",
                "sts-not-needed",
                "policy-fetched",
                "policy",
                "mx",
                "mx-null",
                "tlsa",
                "tlsa-none",
                "probe",
                "drift-none",
                "drift-earlier",
            ),
            "",
        ),
        Finding.WRONG: {
            "dns-servfail": "As a rule the domain's name servers are down, or its DNSSEC is broken. See to the zone.",
            "tlsrpt-missing": "So nobody sends reports. Publish the record that `posture --recommend` prints.",
            "tlsrpt-several": "Senders act as if there were none (RFC 8460 section 3). Leave one, with all addresses.",
            "tlsrpt-version": "Senders pass over it. A record has to begin with v=TLSRPTv1; letter by letter.",
            "tlsrpt-field": _GRAMMAR,
            "tlsrpt-rua-missing": "Senders do not know where to report. Add rua=mailto:ADDRESS.",
            "tlsrpt-rua-twice": "Write one rua, with commas between the addresses.",
            "tlsrpt-rua-scheme-missing": "Write mailto: in front of the address, with nothing between.",
            "tlsrpt-rua-scheme": "Senders know mailto: and https: and no other (RFC 8460 section 3).",
            "tlsrpt-rua-uri": _GRAMMAR,
            "rua-not-ours": "Put an address of ours into the record, or put the record's into rua of [posture].",
            "sts-missing": "Senders look for the record first, so nobody fetches the policy. Publish the record.",
            "sts-several": "Senders act as if there were none (RFC 8461 section 3.1). Leave one.",
            "sts-version": "Senders pass over it. A record has to begin with v=STSv1; letter by letter.",
            "sts-field": _GRAMMAR,
            "sts-id-missing": "Add id= with 1 to 32 letters and digits, such as the time of the change.",
            "sts-id-invalid": "Use 1 to 32 letters and digits and nothing else, such as the time of the change.",
            "sts-id-twice": "Leave one id.",
            "sts-id-unchanged": "Senders that have the old policy keep it until its max_age is over. Publish a new id.",
            "policy-host-missing": f"{_FETCH} publish an address of the policy host, or a CNAME to who serves it.",
            "policy-unreachable": f"{_FETCH} let a web server listen there, and the firewall let them through.",
            "policy-slow": f"{_FETCH} they wait a minute (RFC 8461 section 3.3). See to the web server.",
            "policy-http": f"{_FETCH} see to the web server.",
            "policy-tls": f"{_WEBPKI} let the web server speak TLS 1.2 or later.",
            "policy-certificate-expired": f"{_WEBPKI} renew it, and let the web server load the new one.",
            "policy-certificate-not-yet-valid": f"{_WEBPKI} look at the clocks.",
            "policy-certificate-self-signed": f"{_WEBPKI} get one of a public authority.",
            "policy-certificate-untrusted": f"{_WEBPKI} serve one of a public authority, with its whole chain.",
            "policy-certificate-name": f"{_WEBPKI} get one for this very name.",
            "policy-redirect": "Senders must not follow it (RFC 8461 section 3.3). Serve the file at this address.",
            "policy-status": f"{_FETCH} no other answer than 200 will do (RFC 8461 section 3.3).",
            "policy-media-type": "It has to be text/plain (RFC 8461 section 3.2). Set the type in the web server.",
            "policy-too-large": "Senders stop reading there (RFC 8461 section 3.3). A policy has a few lines.",
            "policy-differs": "Senders get the one or the other. Let all web servers of the name serve the same file.",
            "policy-encoding": _POLICY,
            "policy-line": _POLICY,
            "policy-version": _POLICY,
            "policy-version-missing": _POLICY,
            "policy-mode": _POLICY,
            "policy-mode-missing": _POLICY,
            "policy-max-age": _POLICY,
            "policy-max-age-missing": _POLICY,
            "policy-max-age-short": "Whoever keeps a sender from the policy that long has ended its protection. Use a "
            "week or more (604800), and give the _mta-sts record a new id.",
            "policy-mx": _POLICY,
            "policy-mx-missing": _POLICY,
            "mx-missing": "The domain gets no mail. Publish an MX record.",
            "mx-no-address": "Senders cannot reach it. Publish its address, or take it out of the MX.",
            "mx-not-covered": f"{_ENFORCE} add it to the policy and give the _mta-sts record a new id, or take it out "
            "of the MX.",
            "probe-refused": "Senders cannot deliver there. Let the mail server listen, and the firewall let through.",
            "probe-slow": "Senders may give up. See to the mail server.",
            "probe-smtp": "See to the mail server.",
            "probe-no-starttls": f"{_ENFORCE} switch STARTTLS on.",
            "probe-tls": f"{_ENFORCE} let the mail server speak TLS 1.2 or later.",
            "probe-certificate-expired": f"{_ENFORCE} renew it, and let the mail server load the new one.",
            "probe-certificate-not-yet-valid": f"{_ENFORCE} look at the clocks.",
            "probe-certificate-self-signed": f"{_ENFORCE} get one of a public authority.",
            "probe-certificate-untrusted": f"{_ENFORCE} serve one of a public authority, with its whole chain.",
            "probe-certificate-name": f"{_ENFORCE} get one for the name in the MX record.",
            "probe-tlsa-mismatch": "Senders that do DANE do not deliver. Publish a new certificate's record before it "
            "is in use.",
        },
        Finding.BETTER: {
            "ttl-long": "A change takes so long to be seen everywhere. An hour is usual.",
            "tlsrpt-unknown-field": "Senders ignore it. Look whether it is a slip.",
            "sts-none": "Senders that meet no TLS, or another certificate, deliver all the same. Publish a policy in "
            "mode testing: `posture --recommend`.",
            "sts-unknown-field": "Senders ignore it. Look whether it is a slip.",
            "policy-unknown-field": "Senders ignore it. Look whether it is a slip.",
            "policy-repeated": "Only the first one counts (RFC 8461 section 3.2). Leave that.",
            "policy-address-away": "Senders that try it first come late to the policy. See to it, or take it out.",
            "policy-certificate-expires": "Renew it in time: from that day on senders cannot fetch the policy.",
            "policy-max-age-low": "A week or more (604800) protects longer, once the policy is right.",
            "policy-mode-none": "Senders treat the domain as if it had no policy. Use testing, then enforce.",
            "policy-testing-long": "Testing protects nobody. If the reports show no failures, go on to enforce: "
            "`posture --recommend`.",
            "policy-enforce-ready": "Go on to enforce: `posture --recommend` prints the policy.",
            "mx-implicit": "Senders fall back to the address of the domain itself. Publish an MX record.",
            "mx-alias": "An MX may not be an alias (RFC 5321 section 5.1). Publish the address at this very name.",
            "mx-many": "The rest was not looked at.",
            "mx-pattern-unused": "It is for hosts of which there is none. Take it out if that stays so.",
            "tlsa-unsigned": "Without DNSSEC senders pass over them. Sign the zone; or ask through a resolver that "
            "validates (resolver in [posture]).",
            "tlsa-unusable": "Senders pass over usages 0 and 1 (RFC 7672 section 3.1.3). Publish 3 1 1 or 2 1 1.",
            "tlsa-some": "Whoever can choose the MX chooses one without. Publish them for every MX.",
            "probe-certificate-expires": "Renew it in time, and let the mail server load the new one.",
            "drift-stale": "Look whether all web servers behind the policy host serve the same, and whether the id of "
            "the _mta-sts record changed with the policy.",
            "drift-other": "Look whether all web servers and name servers of the domain serve the same.",
            "drift-no-policy": "Look whether it can reach the policy host, and all name servers serve the record.",
            "drift-unreadable": "Look at what the web server gives to others.",
        },
        Finding.UNTOLD: {
            "dns-away": "Try again later, or set resolver in [posture].",
            "rua-unknown": "If it is an alias of a mailbox that we poll, put the URI into rua of [posture].",
            "probe-unreachable": "Many networks let nobody out to port 25, so this tells nothing: try from elsewhere.",
            "probe-tlsa-untold": "Only usage 3 can be compared with what a mail server shows.",
            "database": "What was published before, and what senders saw, is not compared.",
        },
    }.items()
    for code, advice in codes.items()
}
"""Code -> finding, and what to do."""


def found(what: str, code: str, words: str, *, exit_status: int = 0) -> Check:
    """The check of `what` that ended with this code; `words` say what was found."""
    finding, advice = CODES[code]
    return Check(what, finding, words, 65 if finding is Finding.WRONG else exit_status, code, advice)
