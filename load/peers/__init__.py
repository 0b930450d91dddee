"""Servers and clients that measurements compare with. They stay as they are, so that only the sandbox changes.

None of them is needed to run, test or assess the sandbox; docs/benchmarks.md says what to install.
"""
