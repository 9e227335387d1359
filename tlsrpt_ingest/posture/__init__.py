"""Is TLS reporting and MTA-STS set up right: DNS records, policy file, MX, drift."""
