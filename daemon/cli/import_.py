"""`aipstream import`: packages into the log, or straight into the target."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.lost import lost
from daemon.cli.output import counted, dry_run_option, json_option, show
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.importing.importer import Report
    from daemon.importing.options import Options


_FEW = 3
"""Objects that were left out and are named one by one; --json names them all."""
_SHOWN = 20
"""Lines of files that are no packages; --json has them all."""


@click.command("import", context_settings={"show_default": True})
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--into", type=click.Choice(["log", "target"]), default="log",
              help="The log, as events that a replay applies; or the target's database itself.")  # fmt: skip
@click.option("--at", "moment", metavar="MOMENT",
              help="Of an archive of `export --ocfl`: each object as it stood then. Number of an event, LSN, time in "
              'UTC (2026-01-31T14:05) or "2h ago". [default: the newest versions]', show_default=False)  # fmt: skip
@click.option("--mode", type=click.Choice(["submit", "restore", "keep", "replace"]), default=None,
              help="What becomes of what is there: submit makes another object, restore refuses, keep leaves it as it "
              "is, replace makes it as the package says. [default: restore]", show_default=False)  # fmt: skip
@click.option("--keep-existing", is_flag=True, help="The same as --mode keep.")
@click.option("--parent", metavar="HANDLE", help="The container of what is given, instead of the one that it names; "
              "`site` for communities at the top.")  # fmt: skip
@click.option("-a", "--recursive", is_flag=True, help="Also the packages that the given ones name as their children, "
              "which lie beside them. A folder is always taken whole.")  # fmt: skip
@click.option("-o", "pairs", multiple=True, metavar="NAME=VALUE", help="An option of the stock packager by its name: "
              "createMetadataFields, filterBundles, includeBundles, ignoreHandle, ignoreParent, manifestOnly, "
              "passwords, skipIfParentMissing, unauthorized, updatedAfter, useCollectionTemplate, "
              "validate.")  # fmt: skip
@click.option("--contents", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              help="Where the files of bare manifests are.")  # fmt: skip
@click.option("--once", is_flag=True, help="With submit: a package that was submitted there before is not again.")
@click.option("--handle-prefix", metavar="PREFIX", help="Of new handles, where there is no site that has one.")
@click.option("--beside-capture", is_flag=True, help="Into a log that a source is captured into as well, though the "
              "next snapshot or sweep undoes it.")  # fmt: skip
@click.option("--large", is_flag=True, help="Take packages of one's own making that are beyond the limits in "
              "docs/packages.md; one manifest may cost gigabytes of memory then.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit code 11 if anything of a package could not be carried.")
@click.option("--yes", "--no-interaction", "-u", "yes", is_flag=True, help="Do not ask before anything is replaced.")
@dry_run_option
@json_option
@pass_session
def import_(
    session: Session,
    paths: tuple[Path, ...],
    into: Any,  # noqa: ANN401
    moment: str | None,
    mode: str | None,
    keep_existing: bool,
    parent: str | None,
    recursive: bool,
    pairs: tuple[str, ...],
    contents: Path | None,
    once: bool,
    handle_prefix: str | None,
    beside_capture: bool,
    large: bool,
    strict: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import packages into the log, or straight into the target.

    Packages are AIPs of DSpace 7.6 to 10 or of `aipstream export`, bags of the Replication Task Suite, and documents of
    people and groups.

    PATH is a package or a folder of them; or an archive of `export --ocfl`, of which it takes the newest versions, or
    those of a moment (--at). What is refused is named with the reason, and the rest goes on: exit code 3.
    docs/packages.md has a table of all options, with what the stock packager does.
    """
    session.json = as_json
    config = session.config
    session.messages()
    from daemon.cli.index import outcome
    from daemon.importing.archived import chosen, inexact
    from daemon.importing.importer import Importer
    from daemon.importing.options import Mode, Options, parsed
    from daemon.importing.places import destination
    from daemon.indexing import index_current
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from events.errors import ConfigError, LossesFound, ObjectsParked
    from events.ocfl.shelf import Shelf
    from events.package.limits import DEFAULT, LARGE

    given: dict[str, Any] = {"passwords": config.people.passwords, **parsed(pairs)}
    if keep_existing:
        if mode not in (None, "keep", "restore"):
            raise ConfigError("--keep-existing is --mode keep", f"Leave one of it and --mode {mode} away.")
        mode = "keep"
    if mode is not None:
        given["mode"] = Mode(mode)
    at, notes, unsure, shelf = None, list[str](), 0, Shelf()
    if moment is not None:
        with Progress("reading the archive", "objects") as progress:
            at, notes = chosen(paths, moment, progress.to, shelf)
            unsure, within = inexact(paths, at, progress.to, shelf)
            notes = [*notes, *within]
    options = Options(
        **{**given, "recursive": recursive or given.get("recursive", False)},
        parent=parent,
        contents=contents,
        once=once,
        prefix=handle_prefix,
        limits=LARGE if large else DEFAULT,
        at=at,
        shelf=shelf,
    )
    _confirm(options, into, paths, yes or dry_run)
    stop = Stop()
    with (
        destination(
            config, into, options, name=paths[0].resolve().name, beside_capture=beside_capture, dry_run=dry_run
        ) as place,
        stop.on_signals(),
        Progress("importing", "packages") as progress,
    ):
        importer = Importer(
            place,
            options,
            dry_run=dry_run,
            stopped=stop,
            progress=lambda done, total: progress.to(done, total),
        )
        report = importer(list(paths))
    indexed, more = None, list[str]()
    if into == "target" and not dry_run:
        with Progress("indexing", "runs") as telling:
            indexed, more = outcome(index_current(config, stopped=stop, progress=telling.to))
    _show(session, report, into, dry_run, indexed, more, at, unsure, notes)
    refused = report.counts["refused"] + len(report.missing) + len(_expected(report, paths))
    if refused:
        raise ObjectsParked(
            f"not imported: {counted(refused, 'package')}, named above",
            "Each line says what to do. The same command again imports what is mended, and leaves the rest as it is.",
        )
    if strict and report.losses:
        raise LossesFound(f"not carried: {counted(len(report.losses), 'thing')}, named above")


def _confirm(options: Options, into: str, paths: tuple[Path, ...], agreed: bool) -> None:
    """Ask on a terminal before anything is replaced; elsewhere nobody would answer."""
    if agreed or options.mode != "replace" or not sys.stdin.isatty():
        return
    named = ", ".join(map(str, paths[:3])) + (" ..." if len(paths) > 3 else "")
    click.confirm(f"Replace what is in the {into} by what {named} says?", abort=True, err=True)


def _expected(report: Report, paths: tuple[Path, ...]) -> list[str]:
    """What is no package though it should be one: a file that was named itself, and a zip that was cut off to nothing.

    Other files in a folder may lie there for reasons of their own.
    """
    named = {str(path) for path in paths}
    return [
        path for path, why in report.no_packages if path in named or (why == "empty" and path.lower().endswith(".zip"))
    ]


def _show(
    session: Session, report: Report, into: str, dry_run: bool, indexed: dict[str, Any] | None, more: list[str],
    at: int | None, unsure: int, doubts: list[str],
) -> None:  # fmt: skip
    from daemon.losses.summary import Summary
    from daemon.retention.exact import warning
    from events.package.ocfl import DELETED, LATER

    would = "would be " if dry_run else ""
    counts = {what: count for what, count in sorted(report.counts.items()) if count}
    lines = []
    for each in report.told:
        what = f"{each.kind} {each.handle or each.uuid}".strip()
        if each.what == "refused":
            lines.append(f"refused: {what or each.path}: {each.message}")
            if each.hint:
                lines.append(f"  {each.hint}")
        else:
            lines.append(f"{would}{each.what}: {what}{f' from {each.path}' if each.path else ''}")
        lines += [f"  not carried: {note}" for note in each.notes]
    lines += [f"missing: {each}" for each in report.missing]
    left_out = {why: sum(each == why for _, each in report.no_packages) for why in (DELETED, LATER)}
    others = [(path, why) for path, why in report.no_packages if why not in left_out]
    lines += [f"no package: {path}: {why}" for path, why in others[:_SHOWN]]
    if len(others) > _SHOWN:
        lines.append(f"and {len(others) - _SHOWN:,} more files that are no packages; --json has them all")
    for why, what in ((DELETED, "deleted"), (LATER, "not there yet")):
        here = [path for path, each in report.no_packages if each == why]
        few = f": {', '.join(here)}" if len(here) <= _FEW else ""
        lines += [f"left out, {what}: {counted(len(here), 'object')}{few}"] if here else []
    if at is not None:
        lines += [f"as of position {at:,} of the archive's log", *warning(unsure, f"position {at:,}"), *doubts]
    told = ", ".join(f"{count:,} {would}{what}" for what, count in counts.items()) or "nothing"
    show(
        session,
        {
            "dry_run": dry_run,
            "into": into,
            "position": at,
            "inexact": unsure,
            "notes": doubts,
            "left_out": {"deleted": left_out[DELETED], "not_there_yet": left_out[LATER]},
            "counts": counts,
            "objects": [each._asdict() for each in report.told],
            "losses": [each._asdict() for each in report.losses],
            "missing": report.missing,
            "indexed": indexed,
            "no_packages": [{"path": path, "why": why} for path, why in report.no_packages],
        },
        *lines,
        *lost(session, Summary(report.losses)),
        f"imported into the {into}: {told}",
        *more,
    )
