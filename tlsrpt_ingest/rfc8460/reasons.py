"""What each result type means, and what the reason codes that senders really write add to it: words and commands.

`{domain}` and `{mx}` stand in the commands for host names; explanations.py fills them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Side(StrEnum):
    """Who has to change something."""

    YOURS = "yours"
    SENDERS = "the sender's"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One failure, explained. All texts are ours: plain ASCII, without line breaks."""

    what: str
    """What happened, in one short sentence."""
    side: Side
    """Whose side it is on."""
    check: str
    """What to check, and what to change."""
    commands: tuple[str, ...]
    """The commands to check it with, each to be pasted into a shell as it is (in this module with `{domain}` in it)."""
    effect: str = ""
    """What became of the mail, as far as the policy says."""


_CONNECT = "openssl s_client -starttls smtp -connect {mx}:25 -servername {mx}"
_CERTIFICATE = _CONNECT + " -verify_hostname {mx} -verify_return_error </dev/null"
_DATES = _CONNECT + " </dev/null | openssl x509 -noout -subject -dates"
_POLICY = "curl -sSi https://mta-sts.{domain}/.well-known/mta-sts.txt"
_RECORD = "dig +short TXT _mta-sts.{domain}"
_MX = "dig +short MX {domain}"
_TLSA = "dig +dnssec TLSA _25._tcp.{mx}"
_POLICY_CERTIFICATE = (
    "openssl s_client -connect mta-sts.{domain}:443 -servername mta-sts.{domain} "
    "-verify_hostname mta-sts.{domain} -verify_return_error </dev/null"
)
_KEY_DIGEST = (
    _CONNECT + " </dev/null | openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256"
)

BY_TYPE: Final[Mapping[str, Explanation]] = MappingProxyType(
    {
        "starttls-not-supported": Explanation(
            "Your mail server did not offer STARTTLS.",
            Side.YOURS,
            "See that TLS is on for port 25 on every MX host, backups included, and that no firewall rewrites EHLO "
            '(a Cisco "fixup" shows 250-XXXXXXXA). If it is on, the sender came through a network that strips it.',
            (_CONNECT + " -brief </dev/null",),
        ),
        "certificate-host-mismatch": Explanation(
            "The certificate of your mail server does not name the host that the sender connected to.",
            Side.YOURS,
            "The certificate's subjectAltName has to hold the MX host name as it stands in DNS. Get one that does, "
            "on every MX host and behind every address of a load balancer.",
            (_CERTIFICATE,),
        ),
        "certificate-expired": Explanation(
            "The certificate of your mail server had expired.",
            Side.YOURS,
            "Renew it, and reload the mail server: a renewed certificate is not served before that. Look at every MX "
            "host and at every address of it.",
            (_DATES,),
        ),
        "certificate-not-trusted": Explanation(
            "The certificate of your mail server leads to no authority that the sender trusts.",
            Side.YOURS,
            "Serve the whole chain (fullchain.pem, not cert.pem) from a public authority. A certificate that signs "
            "itself is enough for DANE alone, never for MTA-STS.",
            (_CERTIFICATE,),
        ),
        "validation-failure": Explanation(
            "TLS to your mail server failed for a reason that the sender does not tell apart.",
            Side.EITHER,
            "Check that the handshake works and the certificate is right. A few a day that nobody else reports are "
            "broken connections; many, or from several senders, are yours.",
            (_CERTIFICATE,),
        ),
        "tlsa-invalid": Explanation(
            "No TLSA record of your MX host fits the certificate that it serves.",
            Side.YOURS,
            'The record was not changed with the certificate, or cannot be used. For "3 1 1" it holds the SHA-256 '
            "of the public key: compare the two. Publish the new record a TTL before the certificate changes.",
            (_TLSA, _KEY_DIGEST),
        ),
        "dnssec-invalid": Explanation(
            "The sender's resolver found your DNSSEC broken: it got no valid answer.",
            Side.YOURS,
            "Look for expired signatures, a DS record that fits no key (after a change of registrar or of keys), and "
            "name servers that disagree. Until it is right, mail from senders that validate waits.",
            ("delv _25._tcp.{mx} TLSA", "delv {domain} MX"),
        ),
        "dane-required": Explanation(
            "The sender insists on DANE for you, and found no TLSA records that DNSSEC vouches for.",
            Side.EITHER,
            "If you publish TLSA records, see that each MX host has them and that its zone is signed. If you never "
            "did, the sender set this up: tell them.",
            (_TLSA,),
        ),
        "sts-policy-fetch-error": Explanation(
            "The sender could not fetch your MTA-STS policy.",
            Side.YOURS,
            "The policy has to be there over HTTPS, with status 200 and without a redirect. If it is, look at the "
            "web server's log of that day: rate limits, geo-blocking and bot filters keep senders out.",
            (_POLICY, _RECORD),
        ),
        "sts-policy-invalid": Explanation(
            "Your MTA-STS policy was fetched and could not be understood.",
            Side.YOURS,
            'It has to be text/plain, one "name: value" a line: version: STSv1, mode, max_age, and an mx line for '
            "each MX host. An HTML page with status 200 is a usual cause.",
            (_POLICY,),
        ),
        "sts-webpki-invalid": Explanation(
            "The web server's certificate for your MTA-STS policy is not valid.",
            Side.YOURS,
            "The host mta-sts under your domain needs a certificate of its own name, in date, with its whole chain. "
            "This is the web server's certificate, not the mail server's.",
            (_POLICY_CERTIFICATE,),
        ),
    }
)
"""The result types of RFC 8460 section 4.3."""

GENERAL: Final = Explanation(
    "A kind of failure that RFC 8460 does not list, so only its sender knows exactly what it means.",
    Side.EITHER,
    "Read the reason the sender gives, check that the handshake works and the certificate is right, and ask the "
    "contact of the report if it comes again.",
    (_CERTIFICATE,),
)

MX_MISMATCH: Final = Explanation(
    "Your DNS names an MX host that your MTA-STS policy does not list.",
    Side.YOURS,
    "Add an mx line for the host to the policy file, and change the id in the _mta-sts record so that senders fetch "
    "it again; or take the MX record away. One * stands for exactly one label.",
    (_MX, _POLICY),
)

_SELF_SIGNED_DANE: Final = Explanation(
    "The certificate signs itself, and no TLSA record of the MX host vouches for it.",
    Side.YOURS,
    'Under DANE such a certificate is fine if a "3 1 1" record holds the SHA-256 of its key. Compare the record '
    "with the key that is served.",
    (_TLSA, _KEY_DIGEST),
)

FETCHING: Final = frozenset({"sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"})


@dataclass(frozen=True, slots=True)
class Clue:
    """What a sender writes in failure-reason-code, in lower case and with blanks for `_` and `-`; and what it means."""

    words: re.Pattern[str]
    known: Explanation
    fetching: bool
    """Whether this is about fetching the MTA-STS policy, or else about the MX host: the same words serve for both."""
    under_dane: Explanation | None
    """What it means instead where the policy is TLSA."""


def _clue(words: str, known: Explanation, *, fetching: bool = False, under_dane: Explanation | None = None) -> Clue:
    return Clue(re.compile(words), known, fetching, under_dane)


def _fetch(words: str, what: str, check: str, *commands: str, side: Side = Side.YOURS) -> Clue:
    return _clue(words, Explanation(what, side, check, commands), fetching=True)


CLUES: Final = (
    # Fetching the MTA-STS policy. Mail.ru sends the text of Go's net/http errors, Stalwart "HTTP error 404", mox words.
    _fetch(
        r"(?:response code|http error|http status|status code):? [1245]\d\d|no policy served",
        "The web server answered the sender with an HTTP error where your MTA-STS policy should be.",
        "Serve the file at exactly the address below with status 200, or take the _mta-sts record away if you want no "
        "policy. 404 is a missing file or virtual host, 403 and 429 a filter, 5xx a broken server behind a proxy.",
        _POLICY,
    ),
    _fetch(
        r"redirect|(?:response code|http error|http status|status code):? 3\d\d",
        "The web server redirects, and senders must not follow (RFC 8461 section 3.3).",
        "Serve the policy file under the mta-sts host itself; take it out of any rule that sends people to www.",
        _POLICY,
    ),
    _fetch(
        r"deadline exceeded|time(?:d )? ?out|timeout",
        "The web server with your MTA-STS policy did not answer the sender in time.",
        "See that the mta-sts host answers on every address, IPv6 too, from outside your network. Once, from one "
        "sender, it was the network between.",
        "curl -sSi -4 https://mta-sts.{domain}/.well-known/mta-sts.txt",
        "curl -sSi -6 https://mta-sts.{domain}/.well-known/mta-sts.txt",
        side=Side.EITHER,
    ),
    _fetch(
        r"no such host|nxdomain|name or service not known|dns lookup|server misbehaving|no mta sts dns",
        "The sender could not find the host of your MTA-STS policy in DNS.",
        "The record _mta-sts announces a policy, so the host mta-sts needs an A or AAAA record beside it.",
        "dig mta-sts.{domain} A",
        "dig mta-sts.{domain} AAAA",
    ),
    _fetch(
        r"connection refused|connection reset|no route to host|network is unreachable",
        "The sender could not connect to the web server with your MTA-STS policy.",
        "See that something listens on port 443 on every address of the mta-sts host, IPv6 too, and that no firewall "
        "keeps the sender out.",
        _POLICY,
    ),
    _fetch(
        r"multiple mta sts records|record syntax",
        "The _mta-sts record of your domain is doubled or cannot be read.",
        "There has to be one TXT record that begins with v=STSv1; and has an id of letters and digits.",
        _RECORD,
    ),
    _clue(r"policy syntax|invalid policy", BY_TYPE["sts-policy-invalid"], fetching=True),
    _clue(r"x509|certificate|tls:|\bssl\b", BY_TYPE["sts-webpki-invalid"], fetching=True),
    # The MX host. Microsoft sends constants, Postfix OpenSSL's sentence with _ for blanks, mox words with -.
    _clue(r"mx hosts mismatch|mx not authorized by policy", MX_MISMATCH),
    _clue(
        r"mta sts is required and no policy was found",
        Explanation(
            "The sender demands MTA-STS of you, and found no policy.",
            Side.SENDERS,
            "Stalwart writes this when its owner set it to require MTA-STS. Publish a policy, or tell the sender.",
            (_RECORD, _POLICY),
        ),
    ),
    _clue(
        r"^validation failure$",
        Explanation(
            "The sender found the certificate or the TLS of your mail server wrong, and says no more.",
            Side.EITHER,
            "Microsoft writes this. Where the same policy has MX_HOSTS_MISMATCH too, that is the cause. Else check "
            "name, dates and chain of the certificate.",
            (_CERTIFICATE, _MX),
        ),
    ),
    _clue(r"dns extended error|dnssec", BY_TYPE["dnssec-invalid"]),
    _clue(r"expired", BY_TYPE["certificate-expired"]),
    _clue(
        r"not yet valid",
        Explanation(
            "The certificate of your mail server was not valid yet.",
            Side.EITHER,
            "Look at its dates, and at the clocks: yours when it was made, the sender's when it connected.",
            (_DATES,),
        ),
    ),
    _clue(
        r"revoked",
        Explanation(
            "The certificate of your mail server has been revoked.",
            Side.YOURS,
            "Ask the authority why, and get a new one with a new key.",
            (_DATES,),
        ),
    ),
    _clue(r"hostname mismatch|does not match host|certificate is valid for", BY_TYPE["certificate-host-mismatch"]),
    _clue(
        r"self signed",
        Explanation(
            "The certificate of your mail server signs itself: no public authority vouches for it.",
            Side.YOURS,
            "See that every MX host serves the certificate you mean it to: one made at installation (snakeoil) is "
            'the usual cause. For DANE, publish a "3 1 1" TLSA record of its key.',
            (_CERTIFICATE,),
        ),
        under_dane=_SELF_SIGNED_DANE,
    ),
    _clue(
        r"unable to get (?:local )?issuer|unable to verify the first|unknown authority|incomplete chain",
        Explanation(
            "Your mail server does not send the certificates between its own and the authority's.",
            Side.YOURS,
            "Configure the file with the whole chain (fullchain.pem, not cert.pem) and reload the mail server.",
            (_CONNECT + " -showcerts </dev/null",),
        ),
    ),
    _clue(
        r"key too (?:small|weak)|md too weak|digest algorithm too weak",
        Explanation(
            "The certificate's key or signature is too weak for the sender.",
            Side.YOURS,
            "Get a certificate with at least RSA 2048 or P-256, signed with SHA-256.",
            (_CONNECT + " </dev/null | openssl x509 -noout -text",),
        ),
    ),
    _clue(
        r"path length|invalid ca|name constraint|not authorized to sign|too many intermediates|\bkey usage",
        Explanation(
            "A certificate in the chain that your mail server sends may not be used in its place.",
            Side.YOURS,
            "Serve the chain exactly as the authority gave it, without old or foreign certificates between.",
            (_CONNECT + " -showcerts </dev/null",),
        ),
    ),
    _clue(
        r"protocol version|unsupported protocol|no shared cipher|handshake failure|version number",
        Explanation(
            "The sender and your mail server found no TLS version or cipher in common.",
            Side.EITHER,
            "Offer TLS 1.2 and 1.3 on port 25 with the ciphers that your system has by default. Narrow lists shut "
            "senders out, and those then deliver in clear text or not at all.",
            (_CONNECT + " -tls1_2 </dev/null", _CONNECT + " -tls1_3 </dev/null"),
        ),
    ),
    _clue(
        r"tls remote|alert",
        Explanation(
            "Your mail server ended the TLS handshake with an alert.",
            Side.YOURS,
            "The mail server's log has the reason at the time of the report; look for the sender's address.",
            (_CERTIFICATE,),
        ),
    ),
    _clue(
        r"time(?:d )? ?out|deadline exceeded|connection (?:closed|reset)|lost connection|broken pipe|unexpected eof",
        Explanation(
            "The connection broke or stood still during the TLS handshake.",
            Side.EITHER,
            "A few are the network. If they come from one address again and again, look for a firewall, an MTU "
            "problem, fail2ban or a connection limit; else the mail server's log of that time.",
            (_CONNECT + " -brief </dev/null",),
        ),
    ),
)
"""Looked through in this order; the first that fits explains."""
