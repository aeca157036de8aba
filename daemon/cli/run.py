"""`aipstream run`: the daemon, or one round of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from daemon.cli.lost import losses_of, lost, strict_option
from daemon.cli.output import counted, json_option
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.catch_up import Caught
    from events.errors import AipstreamError


@click.command()
@click.option(
    "--until-current",
    is_flag=True,
    help="Capture all that is committed now, replay it, bring sequences and index up to date, and end.",
)
@strict_option
@json_option
@pass_session
def run(session: Session, until_current: bool, strict: bool, as_json: bool) -> None:
    """Capture and replay until stopped.

    SIGTERM or Ctrl-C ends it after the batches that are under way; it can be killed at any time and started again.
    Without [target] it only captures, without [source] it only replays. With `--until-current`, exit code 3 says
    that objects are parked, and with `--strict` 11 that something could not be carried. Several targets are served each
    by itself: one that is down is tried again and holds up none of the others; with `--until-current` the exit code is
    that of the first that failed.
    """
    session.json = as_json
    config = session.config
    session.messages(running=not until_current)
    if until_current:
        _until_current(session, strict=strict)
    else:
        if strict:
            raise click.UsageError("--strict is for --until-current: a daemon does not end because of losses")
        from daemon.pipeline import run as run_daemon

        run_daemon(config)


def _until_current(session: Session, *, strict: bool) -> None:
    from daemon.catch_up import catch_up
    from daemon.cli.targets import Told, on_each
    from daemon.config import Config
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from events.errors import ObjectsParked

    stop = Stop()
    several = bool(session.config.targets)

    def caught_up(config: Config, *, capture: bool) -> Caught:
        with (
            Progress("capturing", "objects") as capturing,
            Progress("replaying", "events") as replaying,
            Progress("indexing", "runs") as indexing,
        ):
            return catch_up(
                config,
                capturing=lambda done, total, kind: capturing.to(done, total, kind.value),
                replaying=lambda done, total: replaying.to(done, total),
                indexing=indexing.to,
                stopped=stop,
                capture=capture,
            )

    def one(config: Config) -> Told:
        caught = caught_up(config, capture=not several)
        result, lines = _told(session, caught)
        parked = {"capture": caught.parked_on_capture, "replay": caught.parked_on_replay}
        error: AipstreamError | None = None
        if several:
            parked = {"replay": caught.parked_on_replay}
            del result["captured"]
            if caught.parked_on_replay:
                error = ObjectsParked(f"parked: {caught.parked_on_replay:,} objects")
        elif any(parked.values()):
            error = ObjectsParked(
                f"parked: {parked['capture']:,} on the source's side, {parked['replay']:,} on the target's"
            )
        if error is None and strict and caught.applied:
            error = losses_of(caught.applied.losses)
        return Told({**result, "parked": parked}, lines, error)

    with stop.on_signals():
        if not several:
            on_each(session, one)
            return
        first = caught_up(session.config, capture=True)
        aside = first.parked_on_capture
        on_each(
            session,
            one,
            before={
                "captured": first.captured._asdict() if first.captured else None,
                "parked": {"capture": aside},
            },
            lines=_captured(first),
            error=ObjectsParked(f"parked: {aside:,} on the source's side") if aside else None,
        )


def _captured(caught: Caught) -> list[str]:
    if not caught.captured:
        return []
    captured = caught.captured
    contents = counted(captured.blobs, "new content")
    return [f"captured: {captured.put:,} put, {captured.deleted:,} deleted, {contents}"]


def _told(session: Session, caught: Caught) -> tuple[dict[str, Any], list[str]]:
    """What came of a round, as JSON but for what is parked, and as lines."""
    from daemon.cli.index import outcome
    from daemon.replay_loop import told

    applied = told(caught.applied) if caught.applied else None
    moved = {change.sequence: change.next_after for change in caught.sequences}
    lines = _captured(caught)
    if applied is not None:
        lines.append(
            "replayed: "
            + (", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in applied.items()) or "nothing new")
        )
        lines += lost(session, caught.applied.losses) if caught.applied else []
        lines.append(f"sequences: {len(moved):,} moved" if moved else "sequences: all ahead")
        lines.append(f"the target is at position {caught.position:,}")
    indexed, more = outcome(caught.indexed)
    result = {
        "captured": caught.captured._asdict() if caught.captured else None,
        "applied": applied,
        "sequences": moved,
        "position": caught.position,
        "parked": {},
        "indexed": indexed,
        "losses": caught.applied.losses.told() if caught.applied else [],
    }
    return result, [*lines, *more]
