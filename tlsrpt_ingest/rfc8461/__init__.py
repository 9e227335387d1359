"""RFC 8461, MTA-STS, for the owner of a domain: the TXT record and the policy file of section 3; pure.

>>> from tlsrpt_ingest.rfc8461 import parse_policy, parse_record
>>> parse_record("v=STSv1; id=20190425085700").id
'20190425085700'
>>> policy = parse_policy(content)                 # bytes of the file, or text
>>> policy.mode, policy.covers("mx1.solarmora.com")
('enforce', True)
"""

from tlsrpt_ingest.rfc8461.fields import InvalidRecord
from tlsrpt_ingest.rfc8461.policy import InvalidPolicy, Policy, matches, parse_policy
from tlsrpt_ingest.rfc8461.record import VERSION, Record, parse_record

__all__ = [
    "VERSION",
    "InvalidPolicy",
    "InvalidRecord",
    "Policy",
    "Record",
    "matches",
    "parse_policy",
    "parse_record",
]
