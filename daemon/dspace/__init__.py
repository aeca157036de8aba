"""The repository as tables: which rows make up an object, how they are read, and how they are told apart.

Invariant: everything that is specific to DSpace's database schema stands in this folder, in `daemon.source.resolver`
(which rows touch which object) and in `daemon.target.native` (how rows are written), and nowhere else.
"""
