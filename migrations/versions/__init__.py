"""One module a revision, in one line."""
