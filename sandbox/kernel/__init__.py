"""What all packages share; it has no I/O, no global clock and no randomness of its own."""
