"""A repository brought to the state of another moment: a restore, a replay over a backup, an undo.

Invariant: the target is asked what it holds, by the digests that it computes over its own rows; what it holds already
is not touched. So a restore that was stopped anywhere is simply run again.
"""
