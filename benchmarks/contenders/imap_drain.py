"""IMAP, the floor: a client that asks for the same messages over TLS and does nothing with them."""

import imaplib
import json
import ssl
import sys
from typing import Final

FETCH: Final = 200
"""Messages of one FETCH, as in ours."""


def main() -> None:
    """The command: host, port, CA file, user, password; how many messages it had, on standard output."""
    host, port, ca_file, user, password = sys.argv[1:6]
    client = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=ca_file))
    client.login(user, password)
    client.select("INBOX", readonly=True)
    uids = client.uid("SEARCH", "ALL")[1][0].split()
    octets = 0
    for start in range(0, len(uids), FETCH):
        answers = client.uid("FETCH", b",".join(uids[start : start + FETCH]).decode(), "(BODY.PEEK[])")[1]
        octets += sum(len(answer[1]) for answer in answers if isinstance(answer, tuple))
    client.logout()
    json.dump({"read": len(uids), "octets": octets}, sys.stdout)


if __name__ == "__main__":
    main()
