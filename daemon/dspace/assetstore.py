"""Where DSpace keeps the file of a bitstream (`DSBitStoreService`; dspace-database §5.2).

Invariant: the layout is written down here alone. `relpath` states it; `relative_path` never leaves the folder.
"""

from __future__ import annotations

from pathlib import PurePosixPath

REGISTERED = "-R"
"""What the id of a registered file begins with: the rest is its path below the folder."""


def relpath(internal_id: str) -> str:
    """Where a content lies below the folder of its store: `12/34/56/123456…`, or the path of a registered file."""
    if internal_id.startswith(REGISTERED):
        return internal_id[len(REGISTERED) :]
    name = internal_id.rsplit("/", 1)[-1]
    if len(name) <= 2:
        return f"{name}/{name}"
    return "/".join([part for part in (name[0:2], name[2:4], name[4:6]) if part] + [name])


def relative_path(internal_id: str) -> PurePosixPath:
    """The same as a path that stays below the folder. Raises ValueError for an id that would lead out of it."""
    path = PurePosixPath(relpath(internal_id))
    if internal_id.startswith(REGISTERED):
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"the registered path {str(path)!r} leaves the assetstore")
        return path
    name = internal_id.rsplit("/", 1)[-1]
    if name in {"", ".", ".."} or "\0" in name:
        raise ValueError(f"not an internal id: {internal_id!r}")
    return path
