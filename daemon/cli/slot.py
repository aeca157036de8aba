"""`aipstream slot`: the replication slot that keeps the source's WAL for us."""

from __future__ import annotations

import click

from daemon.cli.output import dry_run_option, json_option, show, sized
from daemon.cli.session import Session, pass_session


@click.group()
def slot() -> None:
    """Look at the replication slot, or drop it."""


@slot.command(name="show")
@json_option
@pass_session
def show_slot(session: Session, as_json: bool) -> None:
    """Say where the slot is, and how much WAL it keeps on the source."""
    session.json = as_json
    source = session.config.need_source()
    session.messages()
    from daemon.source.slot import inspect
    from events.event import lsn_text

    found = inspect(source.dsn, source.slot)
    if found is None:
        show(session, {"name": source.slot, "exists": False}, f"there is no slot {source.slot}")
        return
    told = {
        **found._asdict(),
        "exists": True,
        "lost": found.lost,
        "restart_lsn": lsn_text(found.restart_lsn),
        "confirmed_lsn": lsn_text(found.confirmed_lsn),
    }
    show(
        session,
        told,
        f"slot {found.name}: {'read by process ' + str(found.active_pid) if found.active else 'nobody reads it'}",
        f"WAL status: {found.wal_status}",
        f"confirmed: {lsn_text(found.confirmed_lsn)}, {sized(found.lag)} behind",
        f"kept on the source: {sized(found.retained)} from {lsn_text(found.restart_lsn)} on",
        "may still be written before it is in danger: "
        + (sized(found.safe_wal_size) if found.safe_wal_size is not None else "no limit"),
    )


@slot.command()
@click.option("--publication", is_flag=True, help="Drop the publication too, and set the replica identities back.")
@dry_run_option
@json_option
@pass_session
def drop(session: Session, publication: bool, dry_run: bool, as_json: bool) -> None:
    """Drop the slot. The source keeps no WAL for us any more; only a new `snapshot` can go on from there."""
    session.json = as_json
    source = session.config.need_source()
    session.messages()
    from daemon.source import publication as publications
    from daemon.source import slot as slots

    there = slots.inspect(source.dsn, source.slot) is not None
    dropped = there if dry_run else slots.drop(source.dsn, source.slot)
    statements = [] if dry_run or not publication else publications.unprepare(source.dsn, source.slot)
    outcome = ("would be dropped" if dry_run else "dropped") if dropped else "was not there"
    show(
        session,
        {
            "name": source.slot,
            "dropped": dropped and not dry_run,
            "existed": there,
            "dry_run": dry_run,
            "statements": statements,
        },
        f"slot {source.slot}: {outcome}",
        *statements,
    )
