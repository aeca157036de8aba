"""What runs: sources that watch a DSpace, targets that are kept like it, and the daemon that moves events along.

Invariant: dependencies point one way, `cli -> run loop -> source, target -> events`.
"""
