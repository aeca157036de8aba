"""The new versions of one object: each state's documents and contents handed to the archive, or only counted.

Invariant: a content that cannot be had refuses the object, or is named in the version that goes without it.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from daemon.export.ocfl.states import State, envelope
from daemon.failpoint import failpoint
from events.blobs import Blobs
from events.errors import BlobMissing
from events.ocfl import inventory as inventories
from events.ocfl.layout import identifier
from events.ocfl.moments import ENVELOPE
from events.ocfl.writing import Arriving

AGENT: Final = "aipstream"
"""Who made the versions. Who edited the object, the database does not know."""


class Adding:
    """The versions that one object gets; without `arriving` they are only counted."""

    def __init__(
        self, blobs: Blobs, log: str, arriving: Arriving | None, known_sha256: set[str], skip: bool
    ) -> None:  # fmt: skip
        self.blobs, self.log, self.arriving, self.skip = blobs, log, arriving, skip
        self.known = known_sha256
        self.versions = 0
        self.notes: list[str] = []
        self._contents = self._bytes = 0

    @property
    def contents(self) -> int:
        """How many contents are new."""
        return self.arriving.contents if self.arriving else self._contents

    @property
    def bytes(self) -> int:
        """The bytes of what is new."""
        return self.arriving.bytes if self.arriving else self._bytes

    def add(self, now: State, words: str, thinned: bool) -> None:
        """One more version; `thinned` as in `envelope`. Raises BlobMissing, ChecksumMismatch, StorageUnusable."""
        self.versions += 1
        left_out: list[str] = []
        notes: list[str] = []
        for each in now.bitstreams:
            try:
                right = self._content(each.name, each.sha256, each.size, each.md5)
            except BlobMissing:
                if not self.skip:
                    raise BlobMissing(
                        f"the content of {each.called!r}, as of {now.event.commit_time[:19]}Z, is not there",
                        "`aipstream snapshot` takes it again from the source; or export with --unauthorized skip.",
                    ) from None
                left_out.append(each.name)
                notes.append(f"without the content of {each.called!r}, which could not be had")
                continue
            if not right:
                notes.append(f"DSpace has another MD5 for {each.called!r} than the content")
        self.notes += notes
        if self.arriving is None:
            return
        if now.aip is not None:
            self.arriving.document(now.name, now.document)
        self.arriving.document(ENVELOPE, inventories.plain(envelope(now, self.log, left_out, thinned=thinned)))
        self.arriving.version(
            now.event.commit_time,
            "; ".join([words, *notes]),
            {"name": AGENT, "address": identifier(self.log)},
        )
        failpoint("ocfl.version")

    def _content(self, name: str, sha256: str | None, size: int, md5: str | None) -> bool:
        if sha256 is None:
            raise BlobMissing("its content was never captured")
        if self.arriving is not None:
            return self.arriving.content(name, sha256, size, partial(self.blobs.open, sha256), md5)
        if sha256 not in self.known:
            if not self.blobs.has(sha256):
                raise BlobMissing(sha256)
            self.known.add(sha256)
            self._contents += 1
            self._bytes += size
        return True

    def finish(self) -> None:
        """All versions are there."""
        if self.arriving is not None:
            self.arriving.finish()

    def drop(self) -> None:
        """Nothing of it stays."""
        if self.arriving is not None:
            self.arriving.drop()
