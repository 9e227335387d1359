"""The same over Dovecot's own storage, whose faults are others than a Maildir's."""

from sqlalchemy import Engine

from tests import builders
from tests.servers.certificates import Certificates
from tests.servers.dovecot import Dovecot
from tests.servers.process import folder_for
from tests.servers.test_imap_after import messages
from tests.servers.test_imap_read import account, client, counted, engine, poll
from tlsrpt_ingest.outcome import Outcome

__all__ = ["engine"]


def test_sdbox(certificates: Certificates, engine: Engine) -> None:
    """Drained, moved, and one message rotten on disk, at which the server says BYE."""
    with folder_for("nobody") as (folder, owner):
        server = Dovecot(folder, owner, certificates, f"mail_location = sdbox:{folder}/mail/%u/sdbox")
        server.start()
        user = server.user()
        with client(user) as other:
            for number in range(12):
                other.append("INBOX", builders.mail(number=number).replace(b"\n", b"\r\n"))
        (rotten,) = user.maildir.glob("sdbox/mailboxes/INBOX/dbox-Mails/u.5")
        rotten.write_bytes(rotten.read_bytes()[:300])
        tally = poll(account(user, after='recorded = "move:Done"'), engine)
        assert tally.outcomes == {Outcome.RECORDED: 11, Outcome.REJECTED: 1}
        assert counted(engine) == 11
        assert messages(user, "INBOX") == [5]
        assert len(messages(user, "Done")) == 11
        server.stop()
