"""A pair of repositories with the list of what the target's index has still to be told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daemon.index.due import NativeDue
from daemon.index.port import Pending, Row
from daemon.scratch import Cluster
from tests.daemon.pair import Pair


class Site(Pair):
    """`site.after(sql)`: one edit of the source, replicated, and what is due because of it."""

    def __init__(self, cluster: Cluster, folder: Path, version: str = "9", *, items: int = 40) -> None:
        super().__init__(cluster, folder, version, items=items, indexed=True)
        self.due = NativeDue(self.target_dsn)
        self.bootstrap()
        self.replay()

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement on the source, committed."""
        with self.editor_connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows = cursor.fetchall() if cursor.description else []
        self.editor_connection.commit()
        return rows

    def one(self, statement: str, *values: object) -> str:
        """The first value of the first row."""
        return str(self.sql(statement, *values)[0][0])

    def pending(self) -> Pending:
        return self.due.pending(100_000)

    def told(self) -> None:
        """As if the index had been told of everything."""
        self.due.strike(self.pending().rows)
        assert self.due.standing().due == 0

    def replicate(self) -> dict[str, Row]:
        """Capture and replay; what is due, by UUID, and then no more."""
        self.capture()
        self.replay()
        rows = {row.uuid: row for row in self.pending().rows}
        self.told()
        return rows

    def after(self, statement: str, *values: object) -> dict[str, Row]:
        """One edit by SQL, replicated."""
        self.sql(statement, *values)
        return self.replicate()

    def done(self, edit: str) -> dict[str, Row]:
        """One edit of the sample's editor, replicated."""
        self.editor.do(edit)
        return self.replicate()

    def close(self) -> None:
        self.due.close()
        super().close()
