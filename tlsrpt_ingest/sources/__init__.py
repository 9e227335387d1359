"""Where items come from: one interface, read-only unless the owner says otherwise."""

from tlsrpt_ingest.sources.source import Item, Mailbox, Source

__all__ = ["Item", "Mailbox", "Source"]
