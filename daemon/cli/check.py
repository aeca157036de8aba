"""`aipstream check`: is everything there that capture and replay need, and what would be lost on the way?"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import counted, json_option, show
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.losses.ahead import Expected, Pair
    from daemon.progress import Progress


@click.command()
@click.option("--losses", is_flag=True, help="Look through all objects of the source, and say what would be lost.")
@click.option(
    "--driver",
    type=click.Choice(["native", "packager"]),
    help="With --losses: of that driver of the target. [default: that of the configuration]",
)
@click.option("--strict", is_flag=True, help="With --losses: end with exit code 11 if anything would be lost.")
@json_option
@pass_session
def check(session: Session, losses: bool, driver: Any, strict: bool, as_json: bool) -> None:  # noqa: ANN401
    """Look at every precondition on both ends, and name the command that mends what is missing.

    Changes nothing. Exit code 2 says that something is missing that is needed.

    With --losses it reads the source (or the log, if no source is configured) instead, and counts what this pair of
    source and target cannot carry, by code; docs/losses.md explains the codes. --verbose names what would carry it.
    """
    session.json = as_json
    session.messages()
    if losses:
        _losses(session, driver, strict=strict)
        return
    if driver or strict:
        raise click.UsageError("--driver and --strict are for --losses")
    from daemon.preconditions.looking import preconditions
    from events.errors import PreconditionError

    found = preconditions(session.config)
    lines: list[str] = []
    wide = max([7, *(len(one.where) for one in found)])
    for one in found:
        lines.append(f"{'ok' if one.ok else 'not ok' if one.needed else 'note':<7} {one.where:<{wide}} {one.what}")
        if not one.ok and one.mend:
            lines += [f"{'':{wide + 9}}{line}" for line in one.mend.splitlines()]
    missing = sum(1 for one in found if one.needed and not one.ok)
    show(session, {"ok": not missing, "preconditions": [one._asdict() for one in found]}, *lines)
    if missing:
        raise PreconditionError(
            f"{counted(missing, 'precondition does', 'preconditions do')} not hold",
            "The command below each of them mends it.",
        )


def _losses(session: Session, driver: Any, *, strict: bool) -> None:  # noqa: ANN401
    from daemon.cli.lost import losses_of
    from daemon.cli.targets import Told, on_each
    from daemon.losses.ahead import Pair
    from daemon.progress import Progress

    def ahead(config: Config) -> Told:
        chosen = driver or (config.target.driver if config.target else "native")
        version, supposed = _version(config)
        drafts = config.source.drafts if config.source else False
        pair = Pair(chosen, version, config.people.passwords, drafts)
        with Progress("looking through", "objects") as progress:
            expected = _expected(config, pair, progress)
        where = "source" if config.source else "log"
        head = f"driver {chosen} into DSpace {version}{' (supposed)' if supposed else ''}: "
        head += f"{counted(sum(expected.objects.values()), 'object')} in the {where}"
        result = {
            "driver": chosen,
            "version": version,
            "read": where,
            "objects": {kind.value: count for kind, count in expected.objects.items()},
            "losses": expected.summary.told(),
        }
        lines = expected.summary.text(verb="would be lost", full=session.verbose) or ["nothing would be lost"]
        return Told(result, [head, *lines], losses_of(expected.summary) if strict else None)

    on_each(session, ahead)


def _version(config: Config) -> tuple[str, bool]:
    """The release of the target as far as it is known, and whether it is only supposed."""
    from daemon.dspace.connect import connect, meaning
    from daemon.dspace.version import probe
    from events.errors import SourceUnreachable, TargetUnreachable

    for end, section in (("target", config.target), ("source", config.source)):
        if section is None or not section.dsn:
            continue
        name: Any = end
        try:
            with meaning(name, section.dsn), closing(connect(section.dsn, name, readonly=True)) as connection:
                return probe(connection).family, end == "source"
        except (TargetUnreachable, SourceUnreachable):
            continue
    return "10", True


def _expected(config: Config, pair: Pair, progress: Progress) -> Expected:
    from daemon.dspace.connect import connect, meaning
    from daemon.dspace.version import probe
    from daemon.losses.ahead import in_database, in_log
    from daemon.parts import log_of

    if config.source is None:
        with closing(log_of(config)) as log:
            return in_log(log, pair, progress=lambda done, total, kind: progress.to(done, total, kind.value))
    dsn = config.source.dsn
    with meaning("source", dsn), closing(connect(dsn, "source", readonly=True)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        security = probe(connection).has_security_level
        return in_database(
            connection, pair, security, progress=lambda done, total, kind: progress.to(done, total, kind.value)
        )
