"""What runs side by side: each a program of its own, so that nobody pays for another's memory or imports."""
