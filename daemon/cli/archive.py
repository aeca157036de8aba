"""`aipstream export --ocfl`: the log as an archive for the long term."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.output import counted, show, sized, some, table
from daemon.cli.session import Session

if TYPE_CHECKING:
    from daemon.export.ocfl.run import Archived

SENSELESS = {
    "folder": "--into is for packages; --ocfl names the archive's folder itself.",
    "manifest_only": "An archive without contents is none.",
    "ui_url": "It is for bare manifests.",
    "filter_bundles": "A version of an object is all of it.",
    "include_bundles": "A version of an object is all of it.",
    "withdrawn": "Withdrawn items and old versions are in the archive in any case.",
    "unmarked": "An archive says of every object what it is.",
    "extension": "An archive has everything.",
    "release": "An archive is for no DSpace in particular: nothing is lost.",
    "strict": "An archive has everything: there are no losses to be strict about.",
}
"""Options of packages that make no sense with --ocfl, by their parameters, with the reason."""


def refuse(given: Mapping[str, str]) -> None:
    """Raises ConfigError if one of those was given (by parameter, the option as it is written)."""
    from events.errors import ConfigError

    for parameter, reason in SENSELESS.items():
        if parameter in given:
            raise ConfigError(f"{given[parameter]} does not go with --ocfl", reason)


def archive(
    session: Session, things: tuple[str, ...], folder: Path, *, moment: str | None, recursive: bool | None,
    updated_after: str | None, digest: Any, passwords: bool, lacking: str, dry_run: bool,  # noqa: ANN401
) -> None:  # fmt: skip
    """Write what is not in the archive yet, or say what it would be. Raises as the verb does."""
    from daemon.export.ocfl.run import Archive, Choice
    from daemon.hold import hold
    from daemon.parts import blobs_of, log_of
    from daemon.pipeline import Stop
    from daemon.positions import chosen, instant
    from daemon.progress import Progress
    from events.errors import ConfigError, Interrupted, ObjectsParked
    from events.ocfl.root import LOCK, Books, StorageRoot, begun, opened

    if lacking == "zero":
        raise ConfigError("--unauthorized zero does not go with --ocfl", "An empty file would be a forgery: use skip.")
    config = session.config
    choice = Choice(things, recursive, instant(updated_after) if updated_after else None)
    with closing(log_of(config)) as log:
        at = chosen(log, moment or None).position
        wanted = Books(log=log.identity, digest=digest or "sha512", passwords=passwords)
        there = begun(folder)
        if there is not None:
            _same(folder, there, wanted, chosen=digest is not None)  # before anything is made
        with nullcontext() if dry_run else hold(folder / LOCK, f"writes the archive {folder}"):
            root = StorageRoot(folder, there or wanted) if dry_run else opened(folder, wanted)
            _same(folder, root.books, wanted, chosen=digest is not None)
            stop = Stop()
            with stop.on_signals(), Progress("archiving", "objects") as progress:
                writing = Archive(
                    log, blobs_of(config), root, at, skip=lacking == "skip", dry=dry_run, stopped=stop,
                    progress=lambda what, count, total: progress.to(count, total, what),
                )  # fmt: skip
                with closing(writing):
                    done = writing(choice)
    _told(session, done, folder, at, dry_run)
    if stop():
        raise Interrupted(f"stopped after {counted(done.total.objects, 'object')}", "Repeat it: what is there is kept.")
    if done.refused:
        raise ObjectsParked(
            f"{counted(len(done.refused), 'object')} could not be archived",
            "The lines above say why; in the archive they are as they were. `aipstream snapshot` takes missing "
            "contents from the source again; --unauthorized skip leaves them out.",
        )


def _same(folder: Path, there: Any, wanted: Any, *, chosen: bool) -> None:  # noqa: ANN401 - both are Books
    """Raises ConfigError for an archive that was begun in another way."""
    from events.errors import ConfigError

    if there.log != wanted.log:
        raise ConfigError(
            f"the archive {folder} is written from the log {there.log}, and this is the log {wanted.log}",
            "The versions of one archive are the events of one log: name another folder.",
        )
    if chosen and there.digest != wanted.digest:
        raise ConfigError(
            f"the archive {folder} was begun with --digest {there.digest}",
            "Leave --digest out, or name another folder.",
        )
    if there.passwords != wanted.passwords:
        raise ConfigError(
            f"the archive {folder} was begun {'with' if there.passwords else 'without'} --passwords",
            "What is in an archive is not written again: keep to it, or name another folder.",
        )


def _told(session: Session, done: Archived, folder: Path, at: int, dry_run: bool) -> None:
    from events.aip.model import KIND_ORDER

    total = done.total
    would = "would be written" if dry_run else "written"
    rows = [
        (kind.value, each.objects, each.versions, each.contents, each.bytes)
        for kind, each in sorted(done.kinds.items(), key=lambda pair: KIND_ORDER[pair[0]])
    ]
    refused = [f"refused: {each.kind.value} {each.handle or each.uuid}: {each.reason}" for each in done.refused]
    show(
        session,
        {
            "dry_run": dry_run,
            "position": at,
            "folder": str(folder),
            "objects": total.objects,
            "versions": total.versions,
            "contents": total.contents,
            "bytes": total.bytes,
            "kinds": {
                kind: {"objects": objects, "versions": versions, "contents": contents, "bytes": size}
                for kind, objects, versions, contents, size in rows
            },
            "unchanged": done.unchanged,
            "passed_over": done.passed_over,
            "thinned": done.thinned,
            "noted": [{"object": thing, "note": note} for thing, note in done.notes],
            "refused": [each._asdict() for each in done.refused],
        },
        f"{counted(total.versions, 'version')} of {counted(total.objects, 'object')} {would} into {folder}, "
        f"{sized(total.bytes)}, as of position {at:,}",
        *(table(("kind", "objects", "versions", "new contents", "bytes"), rows) if rows else []),
        *([f"there already: {counted(done.unchanged, 'object')}"] if done.unchanged else []),
        *([f"not modified since, passed over: {counted(done.passed_over, 'item')}"] if done.passed_over else []),
        *([f"thinned in the log, so no versions: {counted(done.thinned, 'event')}"] if done.thinned else []),
        *some([f"{thing}: {note}" for thing, note in done.notes]),
        *some(refused),
    )
