"""The errors of tlsrpt-ingest: what each means for the item, for the run and for the exit status.

::

    IngestError
     |- Unreadable         about one item: its reason goes into the ledger, the run goes on         exit 65
     |- Unavailable        about the world: stop, settle nothing, the next run tries again       exit 75
     |- Misconfigured      about the operator: names the key or the command to type              exit 78
         |- LoginRefused   the server knows us not                                               exit 77

Every message is for a person: what happened, to which item, what to do next. Text that a stranger wrote stands in a
message only through `repr` or shortened and cleaned by the one who raises it.
"""


class IngestError(Exception):
    """The root: whatever tlsrpt-ingest raises on purpose."""

    exit_status = 65


class Unreadable(IngestError):
    """One item could not be read.

    `stage` is where it stopped ("fetch", "mail", "inflate", "document", "store"), `code` a fixed word for grouping
    ("truncated-gzip"), `str(error)` the sentence for people.
    """

    def __init__(self, stage: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.code = code

    def __reduce__(self) -> tuple[type["Unreadable"], tuple[object, ...]]:
        """What to pickle: it goes from one process to another with its item."""
        return Unreadable, (self.stage, self.code, str(self))


def unforeseen(stage: str, error: Exception) -> Unreadable:
    """The reason of an item that nobody foresaw: one message never stops the run, whatever it makes us stumble over."""
    said = ascii(f"{type(error).__name__}: {error}"[:200])
    return Unreadable(stage, "unforeseen", f"a fault of tlsrpt-ingest, please report it: {said}")


class Unavailable(IngestError):
    """The world is not there just now: a server, a disk, a lock. Nothing of the batch in hand was settled."""

    exit_status = 75


class Misconfigured(IngestError):
    """The operator has to change something; the message names the key or the command to type."""

    exit_status = 78


class LoginRefused(Misconfigured):
    """A server refused our credentials; the message names the account and the config key to look at."""

    exit_status = 77
