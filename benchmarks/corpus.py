"""Generate report mails of the four kinds that a mailbox holds, the same for the same seed.

    python -m benchmarks.corpus 20000 archive.mbox --kind mix

The shapes are those of real mails (header blocks with ARC, DKIM and relay traces, base64 of gzip), the texts and names
are our own. Days grow from message to message, as in a mailbox.
"""

import argparse
import base64
import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

KINDS: Final = ("small", "microsoft", "fail", "big")
MIX: Final = {"small": 0.70, "microsoft": 0.20, "fail": 0.08, "big": 0.02}
MESSAGES_A_DAY: Final = 60
FIRST_DAY: Final = datetime(2023, 1, 1, tzinfo=UTC)

_RESULT_TYPES: Final = (
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "sts-policy-fetch-error",
    "sts-webpki-invalid",
)
_REASONS: Final = (None, None, "X509_V_ERR_CERT_HAS_EXPIRED", "self-signed certificate in chain")


@dataclass(frozen=True, slots=True)
class _Sender:
    organization: str
    domain: str
    contact: str


_SEEKER: Final = _Sender("Seeker Inc.", "seeker.example", "smtp-tls-reporting@seeker.example")
_OFFICE: Final = _Sender("Office Corporation", "office.example", "tlsrpt-noreply@office.example")
_RELAY: Final = _Sender("relay-hosting.example", "relay-hosting.example", "postmaster@relay-hosting.example")


def messages(kind: str, count: int, *, seed: int = 8460) -> Iterator[bytes]:
    """`count` messages of a kind (`small`, `microsoft`, `fail`, `big`, or `mix`), LF line ends."""
    for number in range(count):
        rng = random.Random(f"{seed} {kind} {number}")  # noqa: S311 - repeatable on purpose, and no secret
        chosen = kind if kind != "mix" else rng.choices(KINDS, [MIX[one] for one in KINDS])[0]
        yield _MAKERS[chosen](rng, number)


def write_mbox(path: Path, mails: Iterator[bytes]) -> None:
    """An mboxrd file."""
    with path.open("wb") as file:
        for mail in mails:
            file.write(b"From sender@reporter.example Mon Jan  2 00:00:00 2023\n")
            file.write(mail.replace(b"\nFrom ", b"\n>From "))
            file.write(b"\n")


def write_maildir(path: Path, mails: Iterator[bytes]) -> None:
    """A Maildir with every message in cur/."""
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True, exist_ok=True)
    for number, mail in enumerate(mails):
        (path / "cur" / f"{1_700_000_000 + number}.M{number}P1.mx.example:2,S").write_bytes(mail)


def write_files(path: Path, mails: Iterator[bytes]) -> None:
    """A folder with one .eml file a message."""
    path.mkdir(parents=True, exist_ok=True)
    for number, mail in enumerate(mails):
        (path / f"{number:07}.eml").write_bytes(mail)


WRITERS: Final = {"mbox": write_mbox, "maildir": write_maildir, "files": write_files}


def _day(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number // MESSAGES_A_DAY)


def _envelope(sender: _Sender, day: datetime, report_id: str, policies: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "organization-name": sender.organization,
        "date-range": {
            "start-datetime": f"{day:%Y-%m-%dT00:00:00Z}",
            "end-datetime": f"{day:%Y-%m-%dT23:59:59Z}",
        },
        "contact-info": sender.contact,
        "report-id": report_id,
        "policies": policies,
    }


def _sts(domain: str, *, mx_host: bool = True) -> dict[str, Any]:
    hosts = [f"mx1.{domain}", f"mx2.{domain}"]
    policy = {
        "policy-type": "sts",
        "policy-string": ["version: STSv1", "mode: enforce", *(f"mx: {host}" for host in hosts), "max_age: 604800"],
        "policy-domain": domain,
    }
    return policy | {"mx-host": hosts} if mx_host else policy


def _summary(successful: int, failed: int) -> dict[str, int]:
    return {"total-successful-session-count": successful, "total-failure-session-count": failed}


def _details(rng: random.Random, domain: str, count: int) -> list[dict[str, Any]]:
    return [_detail(rng, domain) for _ in range(count)]


def _detail(rng: random.Random, domain: str) -> dict[str, Any]:
    detail = {
        "result-type": rng.choice(_RESULT_TYPES),
        "sending-mta-ip": f"2001:db8:{rng.randbytes(2).hex()}:{rng.randbytes(2).hex()}::{rng.randbytes(2).hex()}",
        "receiving-mx-hostname": f"mx-{rng.randbytes(3).hex()}.{domain}",
        "receiving-ip": f"2001:db8:{rng.randbytes(2).hex()}:{rng.randbytes(2).hex()}::{rng.randbytes(2).hex()}",
        "failed-session-count": rng.randrange(1, 500),
    }
    if reason := rng.choice(_REASONS):
        detail["failure-reason-code"] = reason
    return detail


def _small(rng: random.Random, number: int) -> bytes:
    """One sts policy, nothing failed; header and MIME shape of Google."""
    domain = f"d{number % MESSAGES_A_DAY}.customer.example"
    day = _day(number)
    report_id = f"{day:%Y-%m-%dT00:00:00Z}_{domain}"
    policy = {"policy": _sts(domain), "summary": _summary(rng.randrange(1, 5000), 0)}
    return _seeker_mail(rng, domain, day, _envelope(_SEEKER, day, report_id, [policy]))


def _microsoft(rng: random.Random, number: int) -> bytes:
    """One or two policies for the same sessions; header and MIME shape of Microsoft, whose relay traces are long.

    Its TLSA records come as a JSON array packed inside one string, in every second report here.
    """
    domain = f"d{number % MESSAGES_A_DAY}.customer.example"
    day = _day(number)
    summary = _summary(rng.randrange(1, 5000), 0)
    policies: list[dict[str, Any]] = [{"policy": _sts(domain, mx_host=False), "summary": summary}]
    if rng.random() < 0.5:  # noqa: PLR2004 - see the docstring
        records = [f"3 1 1 {rng.randbytes(32).hex().upper()}" for _ in range(2)]
        packed = json.dumps(records, separators=(",", ":"))
        policy = {"policy-type": "tlsa", "policy-string": [packed], "policy-domain": domain}
        policies.append({"policy": policy, "summary": summary})
    report_id = f"{133_000_000_000_000_000 + rng.randrange(10**15)}+{domain}"
    return _office_mail(rng, domain, day, _envelope(_OFFICE, day, report_id, policies))


def _fail(rng: random.Random, number: int) -> bytes:
    """One sts policy with 1 to 20 failure details."""
    domain = f"d{number % MESSAGES_A_DAY}.customer.example"
    day = _day(number)
    details = _details(rng, domain, rng.randint(1, 20))
    failed = sum(detail["failed-session-count"] for detail in details)
    entry = {
        "policy": _sts(domain),
        "summary": _summary(rng.randrange(1, 5000), failed),
        "failure-details": details,
    }
    return _seeker_mail(rng, domain, day, _envelope(_SEEKER, day, f"{day:%Y-%m-%dT00:00:00Z}_f.{domain}", [entry]))


def _big(rng: random.Random, number: int) -> bytes:
    """200 policies and 2,000 failure details: a smarthost's report over all its recipient domains."""
    day = _day(number)
    entries = []
    for position in range(200):
        domain = f"d{position}.n{number}.customer.example"
        details = _details(rng, domain, 10)
        failed = sum(detail["failed-session-count"] for detail in details)
        summary = _summary(rng.randrange(1, 5000), failed)
        entries.append({"policy": _sts(domain), "summary": summary, "failure-details": details})
    report_id = f"{day:%Y%m%d}.{number}@relay-hosting.example"
    return _seeker_mail(rng, "customer.example", day, _envelope(_RELAY, day, report_id, entries), _RELAY)


_MAKERS: Final[dict[str, Callable[[random.Random, int], bytes]]] = {
    "small": _small,
    "microsoft": _microsoft,
    "fail": _fail,
    "big": _big,
}


def _folded(octets: bytes, indent: str = "\n         ") -> str:
    text = base64.b64encode(octets).decode()
    return indent.join(text[at : at + 68] for at in range(0, len(text), 68))


def _attached(document: dict[str, Any]) -> str:
    text = json.dumps(document, separators=(",", ":")).encode()
    return base64.encodebytes(gzip.compress(text, 9, mtime=0)).decode()


def _file_name(sender: _Sender, domain: str, day: datetime, unique: str) -> str:
    begin = int(day.timestamp())
    return f"{sender.domain}!{domain}!{begin}!{begin + 86_399}!{unique}.json.gz"


def _received(rng: random.Random, domain: str, day: datetime) -> str:
    when = format_datetime(day + timedelta(days=1, seconds=rng.randrange(86_400)))
    key = rng.randbytes(8).hex()
    return f"""Return-Path: <{key}@bounces.reporter.example>
Delivered-To: tls-reports@{domain}
Received: from mx.{domain} ([192.0.2.1])
	by imap.{domain} with LMTP id {key}
	for <tls-reports@{domain}>; {when}
Received: from mail-{key}.reporter.example (mail-{key}.reporter.example [198.51.100.71])
	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)
	(No client certificate requested)
	by mx.{domain} (Postfix) with ESMTPS id {key[:12].upper()}
	for <tls-reports@{domain}>; {when}
Authentication-Results: mx.{domain};
	dkim=pass (2048-bit key) header.d=reporter.example header.i=@reporter.example header.b={key[:8]};
	dmarc=pass (policy=reject) header.from=reporter.example;
	spf=pass smtp.mailfrom={key}@bounces.reporter.example
"""


def _dkim(rng: random.Random, domain: str, signed: str, selector: str = "20230601") -> str:
    return f"""DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
        d={domain}; s={selector}; t=1683763200; x=1684368000;
        h={signed};
        bh={base64.b64encode(rng.randbytes(32)).decode()};
        b={_folded(rng.randbytes(256))}
"""


def _seeker_mail(
    rng: random.Random, domain: str, day: datetime, document: dict[str, Any], sender: _Sender = _SEEKER
) -> bytes:
    boundary = f"000000000000{rng.randbytes(8).hex()}"
    name = _file_name(sender, domain, day, "001")
    subject_id = f"<{day:%Y.%m.%dT00.00.00Z}+{domain}@{sender.domain}>"
    signed = "to:from:subject:message-id:tls-report-submitter:tls-report-domain\n         :date:mime-version"
    text = f"""{_received(rng, domain, day)}{_dkim(rng, sender.domain, signed)}\
X-Seeker-{_dkim(rng, "1e100.example", signed)}\
X-Message-State: {_folded(rng.randbytes(110), chr(10) + chr(9))}
MIME-Version: 1.0
X-Received: by 2001:db8:6830:4885:b0:7dc:d725:fdb with SMTP id
 46e09a7af769-{rng.randbytes(10).hex()}.34.8.1778600688163; {format_datetime(day + timedelta(days=1))}
Date: {format_datetime(day + timedelta(days=1))}
TLS-Report-Domain: {domain}
TLS-Report-Submitter: {sender.domain}
Message-ID: <{rng.randbytes(12).hex()}tls@{sender.domain}>
Subject: Report Domain: {domain} Submitter: {sender.domain} Report-ID: {subject_id}
From: noreply-smtp-tls-reporting@{sender.domain}
To: tls-reports@{domain}
Content-Type: multipart/report; boundary="{boundary}"; report-type=tlsrpt

--{boundary}
Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes

This is an aggregate TLS report from {sender.domain}

--{boundary}
Content-Type: application/tlsrpt+gzip;\x20
	name="{name}"
Content-Disposition: attachment;\x20
	filename="{name}"
Content-Transfer-Encoding: base64

{_attached(document)}--{boundary}--
"""
    return text.encode()


def _arc(rng: random.Random) -> str:
    """An ARC set as one long line each, as Microsoft writes it."""
    seal, signature = (base64.b64encode(rng.randbytes(256)).decode() for _ in range(2))
    return f"""ARC-Seal: i=1; a=rsa-sha256; s=arcselector10001; d=office.example; cv=none;
 b={seal}
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=office.example;
 s=arcselector10001;
 h=From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-Office-AntiSpam-Data-ChunkCount:X-Office-AntiSpam-Data-0;
 bh={base64.b64encode(rng.randbytes(32)).decode()};
 b={signature}
ARC-Authentication-Results: i=1; mx.office.example 1; spf=none; dmarc=none
 action=none header.from=office.example; dkim=none (message not signed);
 arc=none
"""


def _hop(rng: random.Random, day: datetime) -> str:
    """One relay inside the sender's own platform."""
    node = rng.randbytes(6).hex()
    return f"""Received: from {node}.namprd05.prod.office.example (2001:db8:10b6:208:52c::19)
 by {node[::-1]}.namprd21.prod.office.example (2001:db8:10b6:610:266::6) with
 Office SMTP Server (version=TLS1_2,
 cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.21.48.4; {format_datetime(day + timedelta(days=1))}
"""


def _office_mail(rng: random.Random, domain: str, day: datetime, document: dict[str, Any]) -> bytes:
    boundary = f"_{rng.randbytes(16).hex()}_"
    unique = document["report-id"].partition("+")[0]
    name = _file_name(_OFFICE, domain, day, unique)
    trace = rng.randbytes(16).hex()
    text = f"""{_received(rng, domain, day)}{_arc(rng)}\
{_dkim(rng, "office.example", "From:Date:Subject:Message-ID:Content-Type:MIME-Version", "selector2")}\
{_hop(rng, day)}{_hop(rng, day)}{_hop(rng, day)}\
From: <tlsrpt-noreply@office.example>
To: "tls-reports@{domain}" <tls-reports@{domain}>
Date: {format_datetime(day + timedelta(days=1))}
Subject: Report Domain: {domain} Submitter: office.example Report-ID:
 {document["report-id"]}
TLS-Report-Domain: {domain}
TLS-Report-Submitter: office.example
MIME-Version: 1.0
Message-ID: <{document["report-id"]}@{domain}>
Content-Type: multipart/report;
	boundary="{boundary}"; report-type=tlsrpt
X-Office-TrafficTypeDiagnostic:
	BL02{trace[:8]}:EE_FirstParty-TlsRpt-V3-System|CH4{trace[8:12]}:EE_FirstParty-TlsRpt-V3-System
X-Office-Filtering-Correlation-Id: {trace}
X-Office-Antispam:
	BCL:0;ARA:13230040|376014|6049299003|61400799027|16102099003|56012099003|18002099003|11063799003|8096899003;
X-Office-Antispam-Message-Info:
	{base64.b64encode(rng.randbytes(420)).decode()}
X-Office-Antispam-Report:
	CIP:198.51.100.228;CTRY:US;LANG:en;SCL:1;SRV:;IPV:NLI;SFV:NSPM;H:office-example.mail.protection.office.example;CAT:NONE;
X-Office-AntiSpam-Data-ChunkCount: 1
X-Office-AntiSpam-Data-0:
	{base64.b64encode(rng.randbytes(900)).decode()}
X-OriginatorOrg: office.example
X-Office-CrossTenant-OriginalArrivalTime: {format_datetime(day + timedelta(days=1))}
X-Office-CrossTenant-Network-Message-Id: {trace}
X-Office-CrossTenant-AuthSource:
	TreatMessagesAsInternal-{trace[:14]}.namprd21.prod.office.example
X-Office-Transport-CrossTenantHeadersStamped: {trace[:14]}

--{boundary}
Content-Type: text/html; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

<html>
<head>
<meta http-equiv=3D"Content-Type" content=3D"text/html; charset=3Dus-ascii"=
>
</head>
<body>
<div>This is an aggregate TLS report from office.example</div>
 <br>
<p><em>Read our Privacy Statement at </em><a href=3D"https://privacy.office=
.example/"><em>privacy.office.example</em></a><em><br>
<br>
<em>Office Corporation </em><br>
<em>One Long Way</em><br>
<em>Example City</em></em></p>
 </body>
</html>

--{boundary}
Content-Type: application/tlsrpt+gzip
Content-Description:
 {name}
Content-Disposition: attachment;
	filename="{name}"
Content-Transfer-Encoding: base64

{_attached(document)}
--{boundary}--
"""
    return text.encode()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--kind", choices=(*KINDS, "mix"), default="mix")
    parser.add_argument("--as", dest="form", choices=sorted(WRITERS), default="mbox")
    parser.add_argument("--seed", type=int, default=8460)
    asked = parser.parse_args()
    WRITERS[asked.form](asked.path, messages(asked.kind, asked.count, seed=asked.seed))


if __name__ == "__main__":
    main()
