"""Measures the gateway as a process beside a bare pass-through: `make bench`, `make bench-quick`."""
