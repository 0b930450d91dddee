"""Fuzzing of every place that reads what strangers send: `make fuzz SECONDS=60` (`SEED=…` plays a run again)."""
