"""The static HTML pages: all domains, one domain, one report."""
