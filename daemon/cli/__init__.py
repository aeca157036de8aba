"""The command line: one verb per file, each thin. It parses, calls, and prints.

Invariants: results go to standard output, everything else to standard error; every reading verb has `--json`, every
writing verb `--dry-run`; the exit code is that of the error's class (docs/exit-codes.md).
"""
