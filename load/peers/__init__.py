"""Servers and clients that measurements compare with. They stay as they are, so that only the sandbox changes.

None of it is needed to run, test or judge the sandbox; docs/benchmarks.md says what to install.
"""
