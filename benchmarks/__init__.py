"""Measurements side by side with others, by hand and never in the tests: `make bench`, docs/performance.md."""
