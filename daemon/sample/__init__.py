"""A made-up but lifelike DSpace repository: its rows, its files, and the edits that people make to it.

Used by `aipstream demo`, the tests and the benchmarks. It writes with plain SQL what DSpace's API would have left, and
shares no code with capture and replay, so that it can stand as an independent witness of both.
"""
