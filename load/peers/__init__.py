"""Programs of others, as measurements need them: fixed, so that only ours can change.

None of it is needed to run, test or judge the sandbox; docs/benchmarks.md says what to install.
"""
