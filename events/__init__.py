"""What happened: events, the AIPs in them, the log that keeps them and the blobs they name.

Invariant: nothing here knows a DSpace database, and nothing here imports from `daemon`.
"""
