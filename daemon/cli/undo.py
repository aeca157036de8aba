"""`aipstream undo`: what was done, taken back on the target."""

from __future__ import annotations

import click

from daemon.cli.output import dry_run_option, json_option
from daemon.cli.restoring import bring_back, yes_option
from daemon.cli.session import Session, pass_session


@click.command()
@click.option("--object", "objects", metavar="HANDLE|UUID", multiple=True, help="The last change of that object.")
@click.option("--transaction", "xid", metavar="XID", type=click.IntRange(min=1), help="What that transaction changed.")
@click.option("--between", nargs=2, metavar="FROM TO", help="What was changed after FROM, up to TO.")
@yes_option
@dry_run_option
@json_option
@pass_session
def undo(
    session: Session, /, objects: tuple[str, ...], xid: int | None, between: tuple[str, str] | None,
    yes: bool, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Give objects the state on the target that they had before a change: as a plan first (--dry-run), then for good.

    Deleted objects come back with UUID, handle and files. Only the objects that the change touched are written, each as
    it was just before; what was done to them later is taken back with it. `aipstream why` names the transactions.
    """
    session.json = as_json
    session.messages()
    from contextlib import closing

    from daemon.export.moment import Moment
    from daemon.parts import log_of
    from daemon.positions import chosen, uuid_of
    from daemon.restore.scope import Scope, before, needed, of_transaction
    from events.errors import ConfigError

    if sum(map(bool, (objects, xid, between))) != 1:
        raise ConfigError("what is to be undone?", "Give one of --object, --transaction and --between.")
    notes: list[str] = []
    with closing(log_of(session.config)) as log:
        if xid is not None:
            scope = of_transaction(log, xid)
        elif between is not None:
            begin, (end, notes) = chosen(log, between[0]).position, chosen(log, between[1])
            scope = before(log, begin, end)
        else:
            wanted = {}
            for thing in objects:
                uuid = uuid_of(log, thing)
                last = log.latest(uuid, whole=False)
                if last is None:
                    continue
                imported = last.event.source.startswith("import/")
                first = next(log.history(uuid, whole=False))
                if not last.event.xid and not imported and first.position == last.position:
                    raise ConfigError(
                        f"{thing}: the log knows it from one sweep of the source, and of no change since",
                        "What a sweep found in a while is undone with --between.",
                    )
                wanted[uuid] = last.position - 1
            scope = Scope(wanted, needed(Moment(log), wanted))
        if not scope.wanted:
            raise ConfigError("the log has no such change", "`aipstream log` and `aipstream why` tell what it has.")
        at = min(scope.wanted.values())
    bring_back(
        session, at, scope, dry_run=dry_run, yes=yes, notes=notes,
        what=f"Undo this for {len(scope.wanted):,} objects on the target?",
    )  # fmt: skip
