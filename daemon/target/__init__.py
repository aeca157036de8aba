"""The target: a second DSpace that is kept as the log says.

Invariants:

* One transaction holds a batch's objects, their ledger rows and the position in the log: after any crash the target
  stands exactly at the position that it says.
* Files are placed before the rows that name them are committed; a file without a row is harmless, a row without a
  file is not.
* An object is written only if its digest on the target differs from the event's; then only the rows that differ.
"""
