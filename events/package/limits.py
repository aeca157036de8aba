"""How much a package may ask of the machine before it is refused.

Invariant: each limit is checked before what it limits is read or decompressed, so that a package of any size and any
intent costs no more memory than the limits say, and time in proportion to its own bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused beyond. The defaults let pass what DSpace itself can export and restore.

    manifest    bytes of a manifest, or of any other document of the package, when decompressed. A collection of
                300,000 items has a manifest of about 85 MB
    marks       `<` and `=` in such a document: they bound the memory of the parsed tree, which bytes alone do not
    entries     entries of a zip or a tar, directories included
    name        bytes of the name of an entry
    total       bytes of all entries together when decompressed
    unquestioned    bytes of all entries together that are taken whatever their compression
    ratio       how many times the bytes of the file itself all entries together may be, beyond `unquestioned`
    """

    manifest: int = 128 * 1024**2
    marks: int = 8_000_000
    entries: int = 50_000
    name: int = 1024
    total: int = 1024**4
    unquestioned: int = 4 * 1024**3
    ratio: int = 200


DEFAULT: Final = Limits()
"""What `open_package` takes if nothing else is said."""

LARGE: Final = Limits(1024**3, 64_000_000, 1_000_000, 4096, 64 * 1024**4, 1024**4, 1000)
"""For packages of one's own making that are beyond the usual: some gigabytes of memory may go into one manifest."""
