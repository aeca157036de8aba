"""Whether an error is that of one content alone, as of a lost sector, and not of the store.

A check must not stop at such a one: the next run would come to the same place, and never past it.
"""

from __future__ import annotations

import errno
from typing import Final

OF_ONE: Final = frozenset(
    {errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENOTDIR}
)
"""A sector or a checksum of the file system that cannot be read; something else than a file in the blob's place."""


def unreadable(error: Exception) -> str | None:
    """What the system says of the file, if it is the file alone; None for any other error."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in OF_ONE:
        return f"it cannot be read: {cause.strerror}"
    return None
