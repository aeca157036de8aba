"""Where DSpace keeps the file of a bitstream (`DSBitStoreService`; dspace-database §5.2).

Invariant: the path of an id never leaves the folder; an id that would raises ValueError.
"""

from __future__ import annotations

from pathlib import PurePosixPath

REGISTERED = "-R"
"""What the id of a registered file begins with: the rest is its path below the folder."""


def relative_path(internal_id: str) -> PurePosixPath:
    """The path below `assetstore.dir`: three levels of two characters, or the path of a registered file."""
    if internal_id.startswith(REGISTERED):
        path = PurePosixPath(internal_id.removeprefix(REGISTERED))
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"the registered path {str(path)!r} leaves the assetstore")
        return path
    name = internal_id.rsplit("/", 1)[-1]
    if name in {"", ".", ".."} or "\0" in name:
        raise ValueError(f"not an internal id: {internal_id!r}")
    levels = [name[place : place + 2] for place in (0, 2, 4) if name[place : place + 2]]
    return PurePosixPath(*levels, name)
