"""The archive proved: every record of the log and every content that it needs, and what is damaged put right.

Invariant: a check changes nothing but its own books, and walks on past every damage. A repair writes only what the
log's own checksums prove.
"""
