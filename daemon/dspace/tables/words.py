"""The words in which the tables are written down: one call per column, key or index, in DSpace's own order.

Invariant: what a word leaves out is what PostgreSQL itself would choose (nullable, no default, ON DELETE NO ACTION, and
for a nameless key the name `<table>_<columns>_key`, `_fkey` or `_pkey`), so that only what is peculiar is to be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

CASCADE: Final = "CASCADE"
SET_NULL: Final = "SET NULL"
RANDOM: Final = "gen_random_uuid()"
NAMING: Final = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
}
"""PostgreSQL's own names for the nameless."""


class Definer:
    """Puts tables into `metadata` as the DSpace of one major version has them; `version` is 7 (for 7.6), 8, 9 or 10."""

    def __init__(self, metadata: sa.MetaData, version: int) -> None:
        self.metadata = metadata
        self.version = version

    def __call__(self, name: str, *parts: SchemaItem | None, since: int = 7) -> None:
        """Add the table, unless it came later than this version. A part that is None is not in this version."""
        if self.version >= since:
            sa.Table(name, self.metadata, *(part for part in parts if part is not None))

    def since(self, version: int, part: SchemaItem) -> SchemaItem | None:
        """The part, from that version on."""
        return part if self.version >= version else None

    def until(self, version: int, part: SchemaItem) -> SchemaItem | None:
        """The part, up to and including that version."""
        return part if self.version <= version else None


def _column(
    name: str,
    kind: sa.types.TypeEngine[Any],
    *,
    to: str | None = None,
    on_delete: str | None = None,
    key: bool = False,
    null: bool = True,
    unique: bool = False,
    default: str | None = None,
    draws: str | None = None,
) -> sa.Column[Any]:
    """`to` is `table.column` of a foreign key; `draws` the sequence that the default takes its values from."""
    links = [sa.ForeignKey(to, ondelete=on_delete)] if to else []
    server_default = f"nextval('{draws}'::regclass)" if draws else default
    return sa.Column(
        name,
        kind,
        *links,
        primary_key=key,
        nullable=null and not key,
        unique=unique or None,
        server_default=sa.text(server_default) if server_default else None,
        autoincrement=False,
    )


def _word(kind: Callable[[], sa.types.TypeEngine[Any]]) -> Callable[..., sa.Column[Any]]:
    def column(name: str, **rest: Any) -> sa.Column[Any]:  # noqa: ANN401 -- the keywords of _column
        return _column(name, kind(), **rest)

    return column


integer = _word(sa.Integer)
bigint = _word(sa.BigInteger)
boolean = _word(sa.Boolean)
text = _word(sa.Text)
date = _word(sa.Date)
timestamp = _word(sa.DateTime)
timestamptz = _word(lambda: sa.DateTime(timezone=True))
uuid = _word(lambda: sa.Uuid(as_uuid=False))


def varchar(name: str, length: int | None = None, **rest: Any) -> sa.Column[Any]:  # noqa: ANN401 -- as above
    """`character varying`, unlimited without a length."""
    return _column(name, sa.String(length), **rest)


def numeric(name: str, precision: int, scale: int) -> sa.Column[Any]:
    """`numeric(precision, scale)`."""
    return _column(name, sa.Numeric(precision, scale))


def primary(*columns: str, name: str | None = None) -> sa.PrimaryKeyConstraint:
    """A primary key whose columns stand in an order or under a name of its own."""
    return sa.PrimaryKeyConstraint(*columns, name=name)


def unique(*columns: str, name: str | None = None) -> sa.UniqueConstraint:
    """A unique constraint of several columns, or one more than the column's own."""
    return sa.UniqueConstraint(*columns, name=name)


def foreign(column: str, *, to: str, name: str, on_delete: str | None = None) -> sa.ForeignKeyConstraint:
    """A foreign key with a name of its own."""
    return sa.ForeignKeyConstraint([column], [to], name=name, ondelete=on_delete)


def check(condition: str, *, name: str) -> sa.CheckConstraint:
    """A check constraint."""
    return sa.CheckConstraint(condition, name=name)


def index(name: str, *columns: str, unique: bool = False) -> sa.Index:
    """An index over columns, or over an expression (anything with a parenthesis in it)."""
    return sa.Index(name, *(sa.text(column) if "(" in column else column for column in columns), unique=unique)
