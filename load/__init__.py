"""Load profiles for testers, and the benchmarks of the sandbox's own hot paths."""
