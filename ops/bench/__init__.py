"""Figures, each beside the alternative in the same run: `make bench`, or `python -m ops.bench --items 2000`.

Invariant: everything runs on a scratch PostgreSQL with fsync on, on loopback, and is thrown away at the end. Machines
differ and so do their days: what counts are the ratios of one run.
"""
