"""`aipstream replay --over-backup`: a target restored from a dump, brought from wherever it stands to a moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daemon.cli.output import counted, show, table
from daemon.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.dspace.sequences import SequenceChange
    from daemon.target.applied import Applied
    from daemon.target.ledger import Parked
    from events.event import Position


def over_backup(session: Session, until: Position, notes: Sequence[str], *, dry_run: bool) -> None:
    """Find where the backup stands, replay what differs, put missing files back. Raises what a restore raises."""
    from daemon.cli.index import outcome
    from daemon.indexing import index_current
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from daemon.replay_loop import told
    from daemon.restore.backup import standing
    from daemon.restore.configured import restoring
    from daemon.restore.files import put_back
    from daemon.retention.exact import inexact, warning
    from events.errors import Interrupted, ObjectsParked

    config = session.config
    stop = Stop()
    with restoring(config) as work, stop.on_signals():
        target = work.target
        with Progress("comparing", "objects") as comparing:
            made = work.plan(until, None, comparing.to)
        stands = standing(target.connection, target.log, made, target.options)
        found = {
            "until": until,
            "backup": stands._asdict() if stands else None,
            "counts": made.counts(),
            "same": made.same,
            "own": made.own,
            "inexact": inexact(target.log, until),
            "notes": list(notes),
        }
        applied: Applied | None = None
        moved: list[SequenceChange] = []
        parked: list[Parked] = []
        if not dry_run:
            with Progress("replaying", "objects", len(made.steps)) as progress:
                applied, moved, parked = work.do(made, stand=True, progress=progress.to, stopped=stop)
        with Progress("looking at files", "files") as looking:
            files = put_back(
                target.connection, Path(config.need_target().assetstore), target.blobs, target.log, until,
                besides={step.uuid for step in made.steps} if dry_run else (),
                dry_run=dry_run, progress=looking.to,
            )  # fmt: skip
        position = target.position()
    indexed, more = (None, ()) if dry_run else outcome(index_current(config, stopped=stop, progress=lambda *_: None))
    names = ("made", "changed", "deleted")
    show(
        session,
        {
            "dry_run": dry_run, **found, "applied": told(applied) if applied else {}, "parked": len(parked),
            "files": {"named": files.named, "missing": files.missing, "put_back": files.put_back,
                      "lost": files.lost, "orphans": files.orphans},
            "sequences": {each.sequence: each.next_after for each in moved}, "position": position, "indexed": indexed,
        },
        f"the backup stands at position {stands.position:,}, {stands.commit_time[:19]}Z, by {stands.by}"
        if stands
        else "nothing in the backup is known to the log",
        *table(("kind", *names), [(kind, *(of[name] for name in names)) for kind, of in sorted(made.counts().items())]),
        f"{made.same:,} objects are as they should be, {made.own:,} are the target's own and stay",
        f"{files.missing:,} of {files.named:,} files were missing, {files.put_back:,} "
        f"{'would be' if dry_run else 'are'} put back",
        *(f"lost: the file of bitstream {uuid}: {reason}" for uuid, reason in files.lost[:20]),
        *([f"{counted(len(files.orphans), 'file')} in the assetstore that no row names (--json lists them)"]
          if files.orphans else []),
        *(f"parked: {each.kind.value} {each.uuid}: {each.reason}" for each in parked),
        *warning(int(str(found["inexact"])), f"position {until:,}"),
        *notes,
        f"the target is at position {position:,}",
        *more,
    )  # fmt: skip
    if stop():
        raise Interrupted("stopped in the middle", "Run the same command again; it does what is left.")
    if not dry_run and (parked or files.lost):
        raise ObjectsParked(
            f"{counted(len(parked), 'object')} and {counted(len(files.lost), 'file')} could not be brought back"
        )
