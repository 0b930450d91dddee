"""Measurements of the sandbox's hot paths: one module each, listed with their limits in `measurements.py`."""
