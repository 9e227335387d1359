"""What is new since the last look, each said once, and once more when it is over."""
