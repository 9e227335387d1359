"""config.toml as frozen pydantic models; pure: reads no file and no environment."""

from tlsrpt_ingest.config.alerts import AlertKind, AlertMail, Alerts, AlertWebhook
from tlsrpt_ingest.config.file import Config, Database, Posture, Receive, Site, Trust, parse
from tlsrpt_ingest.config.imap import After, Imap, OAuth
from tlsrpt_ingest.config.section import Secret

__all__ = [
    "After",
    "AlertKind",
    "AlertMail",
    "AlertWebhook",
    "Alerts",
    "Config",
    "Database",
    "Imap",
    "OAuth",
    "Posture",
    "Receive",
    "Secret",
    "Site",
    "Trust",
    "parse",
]
