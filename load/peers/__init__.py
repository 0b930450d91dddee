"""What others would run in the place of a fake editor: measured beside ours by `python -m load.side_by_side`.

None of it is needed to run, test or judge the sandbox; docs/benchmarks.md says how to install it.
"""
