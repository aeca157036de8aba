"""Random edits of a living repository, as its people make them through DSpace, each in a transaction of its own.

Invariant: after any number of steps `daemon.sample.invariants` holds. A seed gives the same edits again on the same
repository, but for what the database numbers.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

from daemon.sample.edits import (
    of_files,
    of_items,
    of_joins,
    of_metadata,
    of_names,
    of_people,
    of_policies,
    of_structure,
    of_transactions,
)
from daemon.sample.edits.core import EDITS, FUNCTIONS, Desk, NothingToEdit

KINDS = (of_files, of_items, of_joins, of_metadata, of_names, of_people, of_policies, of_structure, of_transactions)
"""The modules of the edits; importing them registers what they hold in `EDITS`."""


TRIES = 8
"""Draws of an object before `Editor.do` gives up: some edits are impossible for one item and possible for another."""


class Editor:
    """Makes one edit after another. The connection must be the editor's own, with autocommit off.

    `EDITS` has every kind by name, with its weight. Works on whatever `generate` has made, in any state.
    """

    def __init__(self, connection: Connection, assetstore: Path, seed: int) -> None:
        self._desk = Desk(connection, assetstore, seed)

    def do(self, name: str) -> str:
        """Make that kind of edit and commit it; what was done, in words.

        Raises NothingToEdit if the repository has nothing that it could be done to; nothing has changed then.
        """
        for _ in range(TRIES - 1):
            with suppress(NothingToEdit):
                return self._once(name)
        return self._once(name)

    def _once(self, name: str) -> str:
        desk = self._desk
        try:
            told = FUNCTIONS[name](desk)
        except BaseException:
            desk.connection.rollback()
            desk.repository.abandon()
            raise
        desk.connection.commit()
        return f"{name}: {told}"

    def step(self) -> str:
        """Make an edit of a random kind, after `EDITS`, that the repository has something for."""
        names, weights = list(EDITS), list(EDITS.values())
        while True:
            try:
                return self._once(self._desk.random.choices(names, weights)[0])
            except NothingToEdit:
                continue


__all__ = ["EDITS", "Editor", "NothingToEdit"]
