"""The target's search index, told what changed.

Invariant: what is due is written in the transaction of the objects, and struck off only when the index was told. A
failure delays the index; it never touches the replay.
"""
