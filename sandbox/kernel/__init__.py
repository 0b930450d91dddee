"""What every package shares: no I/O, no global clock, no randomness of its own."""
