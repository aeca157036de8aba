"""The errors of the project: each class owns its exit code and a hint that says what to do next.

An error is raised or returned, never logged and forgotten. `str(error)` names what and where; `hint` the next step.
No message ever holds a password: a DSN is passed through `events.errors.without_password` first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


class AipstreamError(Exception):
    """Base of all. `exit_code` ends the process; `hint` is printed below the message."""

    exit_code = 1
    hint = "See the log above; if it tells nothing, run again with --verbose."

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class ConfigError(AipstreamError):
    """The command line or the configuration file cannot be used."""

    exit_code = 2
    hint = "Correct the configuration; `aipstream config show` prints what is in force."


class PreconditionError(ConfigError):
    """A database or server is reachable, but lacks a setting, an extension or a right that the work needs."""

    hint = "`aipstream check` lists everything that is missing, with the commands that mend it."


class NotDSpace(PreconditionError):
    """The database is not one of a supported DSpace."""

    hint = "Point the dsn at the database of a DSpace 7.6, 8, 9 or 10 (the one in its local.cfg, db.url)."


class ObjectsParked(AipstreamError):
    """Everything was done but for some objects that had to be put aside, on the source's side or on the target's."""

    exit_code = 3
    hint = "`aipstream park` lists them with the reasons; after the repair, `aipstream park retry --all`."


class Interrupted(AipstreamError):
    """The work was stopped from outside before its end. What was done until then is kept."""

    exit_code = 130
    hint = "The same command goes on where it stopped."


class VerificationDiffers(AipstreamError):
    """Source and target are not the same."""

    exit_code = 4
    hint = (
        "`aipstream verify --details` names the differences. `aipstream replay --again UUID` writes an object anew "
        "that was edited on the target; `aipstream snapshot` and `replay` bring what the log lacks."
    )


class GapInLog(AipstreamError):
    """The log lacks events that it should have, or holds damaged ones. Never skipped."""

    exit_code = 5
    hint = (
        "`aipstream verify --log` names all that is damaged, `aipstream log repair` mends what can be proved. Of a "
        "file that is torn or cannot be opened `aipstream log repair --rebuild` makes another; else replace it by a "
        "copy, or move it away: then `aipstream init` and `aipstream snapshot`."
    )


class ArchiveDamaged(GapInLog):
    """A check of the log found damage, in the log itself or in the contents that it needs."""

    hint = (
        "`aipstream log repair --dry-run` says what can be mended and how; what nothing here has comes from a copy of "
        "the log (`--from URL`) or of the contents (`--from-blobs URL`)."
    )


class UnknownLogFormat(ConfigError):
    """The log was written in a format that this version does not know."""

    hint = "Use the aipstream that wrote the log, or a newer one; the log itself was not touched."


class StorageUnusable(AipstreamError):
    """The disk of the log or of the blob store is full, read-only, failing, or lacks rights. Nothing was lost."""

    exit_code = 10
    hint = "Free space on that disk, or mend its rights or mount; then start again, which resumes where it stopped."


class StateDamaged(AipstreamError):
    """The file in which the source side remembers what it has captured cannot be read."""

    exit_code = 10
    hint = "Move the file away: it is made again from the log. Nothing that was captured is lost."


class SourceChanged(AipstreamError):
    """The database behind the source is not the one that was captured so far: exchanged, or restored to earlier."""

    exit_code = 9
    hint = "If that is meant to be, `aipstream snapshot` takes the database as it is now and captures what differs."


class ProcessEnded(AipstreamError):
    """One of our own processes was killed from outside, by the kernel for want of memory or by somebody."""

    hint = "Start again: it goes on where it stopped. `dmesg` tells whether the kernel ran out of memory."


class SourceUnreachable(AipstreamError):
    """The source database or assetstore does not answer."""

    exit_code = 6
    hint = "Check [source] dsn and that the server runs and lets this host in."


class TargetUnreachable(AipstreamError):
    """The target database or assetstore does not answer."""

    exit_code = 7
    hint = "Check [target] dsn and that the server runs and lets this host in."


class Locked(AipstreamError):
    """Another aipstream already does this work."""

    exit_code = 8
    hint = "Wait for the other one, or stop it. Locks end with their process; nothing has to be removed by hand."


class SlotLost(AipstreamError):
    """The replication slot is gone or invalidated, so the WAL between is lost. A new snapshot closes the hole."""

    exit_code = 9
    hint = "Run `aipstream snapshot`: it makes a new slot and captures what changed in between."


class BlobMissing(AipstreamError):
    """The blob store does not hold a content that an event needs."""

    hint = "If the source still has the file, `aipstream snapshot` takes it again; then `aipstream park retry --all`."


class BlobSealed(StorageUnusable):
    """A content is encrypted, and there is no key here to read it."""

    hint = "Set [blobs] identity to the file with the private key. Capture alone needs none."


class ChecksumMismatch(AipstreamError):
    """A content is not what its checksum says."""

    hint = "Restore the file from a backup of the assetstore, then `aipstream park retry`."


class BlobNotEncrypted(ChecksumMismatch):
    """A content lies unencrypted in a store of encrypted blobs, where somebody else must have put it."""

    hint = "Find out who wrote it. If the store was a plain one before, [blobs] plain = \"read\" accepts such blobs."


class InvalidAip(AipstreamError):
    """A document is not an AIP that can be read: what is wrong, and in which element."""

    hint = "The package is damaged or was not made by DSpace or aipstream; the message names the place."


class UnknownField(AipstreamError):
    """Objects name a metadata field or a relationship type that the target's registry lacks.

    `objects` are their UUIDs, `needs` those of the registry documents that would bring it.
    """

    hint = "The registry's own event brings it; if the log has none, `aipstream snapshot` of the source makes one."

    def __init__(
        self, message: str, objects: Iterable[str] = (), hint: str | None = None, *, needs: Iterable[str] = ()
    ) -> None:
        super().__init__(message, hint)
        self.objects = frozenset(objects)
        self.needs = frozenset(needs)


class InvalidPackage(InvalidAip):
    """A package (a zip, a manifest, a bag) cannot be read, or is refused because it could do harm."""

    hint = "Nothing of it was taken. Get a whole copy, or have it exported again; other packages are not concerned."


class ObjectTooLarge(AipstreamError):
    """An object has more versions or files than one OCFL object can reasonably hold. The others are not concerned."""

    hint = "`aipstream prune` thins what the log has of old events ([retention]); export into a new folder after it."


class AlreadyThere(AipstreamError):
    """An object of a package exists already, and the mode is to restore what is missing."""

    hint = "`--keep-existing` skips what is there, `--mode replace` makes it as the package says."


class NameUnknown(AipstreamError):
    """A package names a group, a person or a container that is not there."""

    hint = "Import the package of the site (or the parent) first: it brings groups, people and containers."


class PackagerFailed(AipstreamError):
    """A command of the target's own DSpace failed. Its last lines are in the message."""

    exit_code = 7
    hint = "The message is DSpace's own; its log has more. After the repair, `aipstream park retry --all`."


class LossesFound(AipstreamError):
    """Something cannot be carried by this pair of source, target and driver, and --strict was given."""

    exit_code = 11
    hint = "The list above names what and how much; docs/losses.md says why, and what would carry it."


class IndexFailed(AipstreamError):
    """The target's search index could not be told what changed. It is tried again; the repository itself is right."""

    hint = "Check [index] and that the target's DSpace runs; `aipstream index` does what is due at once."


def without_password(dsn: str) -> str:
    """The DSN (URL or key=value form) with the password replaced by `***`.

    Where a DSN is not well formed (an `@` or `/` in a URL's password, a quote that is not closed) it takes away too
    much rather than too little.
    """
    dsn = re.sub(r"(?<=://)([^:/@\s]*):(\S*)@", r"\1:***@", dsn)
    dsn = re.sub(r"(?i)([?&](?:ssl)?password=)[^&\s]*", r"\1***", dsn)
    return re.sub(
        r"(?i)(?<![?&])(?<![?&]ssl)(password\s*=\s*)('(?:[^'\\]|\\.)*(?:'|\\?$)|(?:\\.|\S)+)",
        r"\1***",
        dsn,
        flags=re.DOTALL,
    )
