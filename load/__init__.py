"""Load on a running sandbox, and the benchmarks of the sandbox itself.

`locustfile.py` is the profile that testers run (`make load`); `bench` has the project's own measurements (`make bench`,
`python -m load.bench.side_by_side`), `peers` the servers and clients that they compare with.
"""
