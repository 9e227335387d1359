"""Every bound on what a stranger controls, with its reason; sizes are octets, times seconds."""

from datetime import UTC, datetime
from typing import Final

MIB: Final = 1 << 20

MESSAGE: Final = 64 * MIB
"""One message or one file. Mail servers commonly refuse beyond 25 to 50 MiB, so a larger one is no report."""

DOCUMENT: Final = 20 * MIB
"""One document after inflating. The largest report a field tool accepts is 20 MB (mox); RFC 8460 calls a receiver
limit of ten megabytes common for the mail itself (section 5.3)."""

DOCUMENTS_OF_A_MESSAGE: Final = 40 * MIB
"""All documents of one message together, so that a hundred parts of 20 MiB do not add up."""

PARTS: Final = 100
"""MIME parts looked at in one message. RFC 8460 section 5.3 asks for two; gateways and forwards add a few."""

PART_DEPTH: Final = 10
"""Nesting of multipart and message/rfc822. A report forwarded twice inside list footers has five."""

HEADER: Final = 64 * 1024
"""One unfolded header field that we read. RFC 5322 lines end at 998, To: lists of hundreds reach some KiB."""

HEADERS: Final = 1 * MIB
"""The header block of a message. Postfix's header_size_limit is 100 KiB; beyond it lies only a flood."""

ARCHIVE_MEMBERS: Final = 100_000
"""Members of one zip or tar: an archive of a decade with one file a report."""

ARCHIVE_DEPTH: Final = 3
"""Archive in archive: a tar of zips of .json.gz is three."""

JSON_DEPTH: Final = 64
"""Nesting of the JSON text. RFC 8460 section 4.4 needs six."""

JSON_DIGITS: Final = 64
"""Digits of one JSON number. A 64-bit count has 19."""

JSON_CONTAINERS: Final = 500_000
"""Objects and arrays of one document: a report of FAILURE_DETAILS and POLICIES has 150,000. Each costs 64 octets
and more once parsed, where "{}," costs three in the text."""

REPORTS_OF_A_DOCUMENT: Final = 10_000
"""Reports in one document (JSON Lines): each becomes a row of the ledger, and twelve octets could ask for one."""

POLICIES: Final = 10_000
"""Entries of policies[] in one report. mox sends one per recipient domain of an MX host."""

FAILURE_DETAILS: Final = 100_000
"""Failure details of one report, over all policies."""

STRINGS: Final = 10_000
"""Elements of one policy-string or mx-host array. A policy file of 64 KB (RFC 8461 section 3.3) has fewer lines."""

TEXT: Final = 65_535
"""Characters of one string that goes into the database; the whole of it stays in the kept document."""

NAME: Final = 1_000
"""Characters of a string that people search and group by: organization-name, report-id, domain, result type."""

DOMAIN: Final = 255
"""Characters of a domain name in the database (RFC 1035 section 2.3.4)."""

DEVIATIONS: Final = 1_000
"""Deviations recorded for one report; the last one then says that there were more."""

COUNT: Final = (1 << 63) - 1
"""The largest session count that every database holds."""

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""A report's day outside these is no day: STARTTLS is of 1999 and RFC 8460 of 2018, fixtures begin in 2000."""

UID: Final = (1 << 32) - 1
"""The largest UID that there is (RFC 3501 section 2.3.1.1)."""

CONNECTIONS: Final = 500
"""Open connections of `serve`, an eighth of them from one address that is no trusted proxy: below the 1024 files that
a process commonly may open."""

CLIENTS: Final = 10_000
"""Clients of `serve` whose requests of the last minute are remembered; whoever was not seen longest is forgotten."""

REQUESTS_A_MIB: Final = 60
"""Requests that a MiB of a body counts as: what cannot be read is kept, and nobody is to fill the disk with it."""

BATCH_OF_A_CLIENT: Final = 4
"""Posted items of one client in one transaction: 40 KiB can hold a second's work, and the others wait for it."""

BODIES: Final = 128 * MIB
"""What all requests in hand may hold beyond SMALL_BODY each."""

SMALL_BODY: Final = 64 * 1024
"""A body that needs no leave: reports have some hundred octets to some ten thousand."""

REQUEST_HEAD: Final = 10
"""Seconds for the head of a request, from the connection or from the answer before."""

REQUEST_BODY: Final = 60
"""Seconds for the body of a request: ten megabytes at 1.4 Mbit/s."""

REQUEST_RECORDED: Final = 60
"""Seconds for the database to commit what was posted, before the client is told to come again."""

KEEP_ALIVE: Final = 5
"""Seconds that an idle connection stays open for one more request."""

LINGER: Final = 2
"""Seconds for a client to read a refusal, while what it still sends is thrown away."""

GRACE: Final = 20
"""Seconds for the requests in hand when `serve` is told to stop."""

HEALTH: Final = 5
"""Seconds for the database to answer a health check."""

RETRY_BUSY: Final = 10
RETRY_AWAY: Final = 300
"""Retry-After, in seconds: while others are served, and while the database is away."""

BATCH_ITEMS: Final = 1_000
"""Items of one transaction: one of 500 costs a tenth of 500 transactions, one of 1,000 a little less."""

TASK_ITEMS: Final = 250
"""Items that are judged by one call, here or by a worker: 50 would cost a third more, for the way there and back."""

BATCH_OCTETS: Final = 16 * MIB
"""Octets of the items of one batch, so that memory does not grow with the mailbox."""

BATCH_ROWS: Final = 20_000
"""Policies and failure details of one transaction, for the same reason."""

TASK_OCTETS: Final = 4 * MIB
"""Octets of these items, as far as one of them is not larger: they are sent to whoever judges."""

TASK_ROWS: Final = 40_000
"""The same of what one call judges; what is left is another task."""

REASONS: Final = 5
"""Rejected items that a run names on stderr; the ledger names them all."""

HOSTS: Final = 1_000
"""Last runs that are looked at: a container has another host name each time."""

ALERTS: Final = 10_000
"""Alerts of one kind that are watched, the gravest first: 12 result types at 20 domains, seen by 40 senders."""

ALERTS_LISTED: Final = 20
"""Alerts that one message tells in full; it says how many more there are, and how to see them."""

SERIES: Final = 100
"""Domains that have time series of their own in the metrics, those with most reports; the others share "other"."""

SIGNED_MESSAGE: Final = 10 * MIB
"""A message whose DKIM signature is verified: the ten megabytes that RFC 8460 section 5.3 calls a common limit. Larger
ones are read all the same, without a verdict of ours."""

SIGNED_HEADER: Final = 64 * 1024
"""The header block of such a message. A Microsoft 365 mail has about 15 KiB."""

SIGNATURES: Final = 5
"""DKIM signatures of one message that are looked at. A provider signs twice, a mailing list once more."""

SIGNATURE: Final = 4 * 1024
"""One DKIM-Signature field. With a key of 4096 bits it has about 1,500 octets."""

SIGNED_FIELDS: Final = 100
"""Names in `h=` of one signature."""

KEY_RECORD: Final = 1024
"""The TXT record of one DKIM key. With 4096 bits it has about 800 octets; what fits is computed in a quarter of a
second, what fits into two KiB in more than one."""

AUTHENTICATION_RESULTS: Final = 20
"""Authentication-Results fields of one message that are looked at. Fastmail writes four."""

DNS_SECONDS: Final = 5
"""How long one answer of the DNS is waited for."""

DNS_SILENCES: Final = 3
"""Answers waited for in vain, one after the other, after which the DNS is taken for silent for DNS_PAUSE seconds."""

DNS_PAUSE: Final = 60

DNS_ANSWERS: Final = 1_000
"""Answers of the DNS that are kept at a time. A large provider signs with one key for months."""

REPORTS_OF_A_SENDER: Final = 10_000
"""Reports about one UTC day that one sender may have counted. Google sends one a day for each of your domains."""

POLICY_FILE: Final = 64 * 1024
"""The policy file of MTA-STS: what RFC 8461 section 3.3 suggests."""

POLICY_HOST_ADDRESSES: Final = 8
"""Addresses of a policy host that are asked for the file: two of each family at a large hoster, and as many again."""

MX: Final = 50
"""Mail hosts of one domain that `posture` looks at. Large providers name five to ten."""
