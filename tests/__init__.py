"""The tests. `tests.builders` makes what they read."""
