"""`aipstream export`: objects of the log as packages that stock DSpace takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.archive import archive, refuse
from daemon.cli.lost import none_lost, release_of, strict_option
from daemon.cli.output import counted, dry_run_option, json_option, show, sized, some, table
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.export.packages import Packages
    from daemon.export.run import Choice, Exported


@click.command()
@click.argument("things", metavar="[site|HANDLE|UUID]...", nargs=-1)
@click.option("--into", "folder", type=click.Path(path_type=Path, file_okay=False), help="The folder of the packages.")
@click.option("--ocfl", "archive_in", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Instead of packages an archive, as an OCFL storage root: every object with all its versions. A "
              "later run adds what is new (docs/ocfl.md).")  # fmt: skip
@click.option("--digest", type=click.Choice(["sha512", "sha256"]),
              help="With --ocfl: how contents are addressed. [default: as it was begun, sha512]")  # fmt: skip
@click.option("--at", "moment", metavar="POSITION",
              help="As it was then: an event, an LSN, a time or a kept moment. [default: now]")  # fmt: skip
@click.option("--all/--single", "-a", "recursive", default=None,
              help="With everything inside, or just the objects named. [default: of the site all]")  # fmt: skip
@click.option("--manifest-only", is_flag=True, help="Bare METS documents, without contents.")
@click.option("--ui-url", metavar="URL", default="http://localhost:4000", show_default=True,
              help="The user interface (dspace.ui.url), for the links in bare manifests.")  # fmt: skip
@click.option("--filter-bundles", metavar="A,B", help="Leave these bundles out; +A,B: all but these.")
@click.option("--include-bundles", metavar="A,B", help="Leave all other bundles out (the older form).")
@click.option("--updated-after", metavar="TIME", help="Of the items only those modified after that time.")
@click.option("--passwords", is_flag=True, help="With password hashes, if the log has them.")
@click.option("--unauthorized", type=click.Choice(["error", "skip", "zero"]), default="error", show_default=True,
              help="A content that is not there: refuse the object, leave the file out, keep it empty.")  # fmt: skip
@click.option("--withdrawn", is_flag=True, help="Withdrawn items and old versions too, each as a package of its own.")
@click.option("--unmarked", is_flag=True,
              help="Do not say of withdrawn items that they are: stock DSpace then takes one that it lacks, and puts "
              "it into the archive.")  # fmt: skip
@click.option("--extension/--no-extension", default=True, show_default=True,
              help="With what stock DSpace has no place for: `aipstream import` then gets objects whole.")  # fmt: skip
@click.option("--release", metavar="VERSION", default="10", show_default=True,
              help="The DSpace that the packages are for (7.6.6, 8): what its restore loses is told.")  # fmt: skip
@strict_option
@dry_run_option
@json_option
@pass_session
def export(
    session: Session, /, things: tuple[str, ...], folder: Path | None, archive_in: Path | None, digest: str | None,
    moment: str | None, recursive: bool | None, strict: bool, dry_run: bool, as_json: bool, **given: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Write packages (TYPE@HANDLE.zip) of the whole site, or of the objects named, into a folder.

    Stock DSpace restores all of them by `dspace packager -r -a -f -t AIP -e ADMIN SITE@….zip`. In this mode (-f) it
    erases the passwords of all accounts whose hashes are not in the package: see --passwords.

    A stopped run can be repeated; packages that are there and the same are kept. Exit code 3 says that some objects
    could not be written: they are named, and no package leads to them. What a restore by stock DSpace would lose of
    the packages is told by code (docs/losses.md); with --strict, exit code 11 says that there is such a thing.
    """
    session.json = as_json
    session.messages()
    if archive_in is not None:
        refuse(_given())
        archive(
            session, things, archive_in, moment=moment, recursive=recursive, updated_after=given["updated_after"],
            digest=digest, passwords=given["passwords"], lacking=given["unauthorized"], dry_run=dry_run,
        )  # fmt: skip
        return
    if digest is not None:
        raise click.UsageError("--digest is for --ocfl.")
    from contextlib import closing

    from daemon.export.bundles import Bundles
    from daemon.export.moment import Moment
    from daemon.export.packages import Options, Packages
    from daemon.export.run import Choice, roots
    from daemon.export.run import export as write
    from daemon.parts import blobs_of, log_of
    from daemon.pipeline import Stop
    from daemon.positions import chosen, instant
    from daemon.progress import Progress
    from daemon.retention.exact import inexact
    from events.aip.model import Kind
    from events.errors import ConfigError, Interrupted, ObjectsParked

    config = session.config
    if folder is None and not dry_run:
        raise ConfigError("--into is missing: where should the packages go?", "aipstream export site --into FOLDER")
    after = instant(given["updated_after"]) if given["updated_after"] else None
    release_of(given["release"])
    bundles = Bundles.of(given["filter_bundles"], given["include_bundles"])
    with closing(log_of(config)) as log:
        at, doubts = chosen(log, moment)
        then = Moment(log, at)
        named = roots(then, things)
        options = Options(
            manifest_only=given["manifest_only"],
            ui_url=given["ui_url"],
            bundles=bundles,
            passwords=given["passwords"],
            extension=given["extension"],
            withdrawn=not given["unmarked"],
            lacking=given["unauthorized"],
            roots=named,
            release=given["release"],
        )
        packages = Packages(then, blobs_of(config), options)
        if recursive is None:
            recursive = then.heads[named[0]].kind is Kind.SITE
        choice = Choice(named, recursive, after, given["withdrawn"])
        whole = recursive and then.heads[named[0]].kind is Kind.SITE
        inside = [*named, *(head.uuid for each in named for head in then.below(each))] if recursive else named
        unsure = inexact(log, then.at, None if whole else dict.fromkeys(inside, then.at))
        if dry_run:
            _would(session, packages, choice, unsure, doubts)
            return
        assert folder is not None  # noqa: S101 - asked above
        stop = Stop()
        with stop.on_signals(), Progress("exporting", "packages") as progress:
            done = write(packages, choice, folder, progress=lambda count: progress.to(count, None), stopped=stop)
    _told(session, done, folder, then.at, unsure, doubts)
    if stop():
        raise Interrupted(f"stopped after {counted(done.packages, 'package')}", "Repeat it: what is there is kept.")
    if done.refused:
        raise ObjectsParked(
            f"{counted(len(done.refused), 'object')} could not be exported",
            "The lines above say why. `aipstream snapshot` takes missing contents from the source again.",
        )
    if strict:
        none_lost(done.losses)


def _given() -> dict[str, str]:
    """The options that stand on the command line, by their parameters."""
    context = click.get_current_context()
    source = context.get_parameter_source
    return {
        each.name: (each.secondary_opts if context.params[each.name] is False and each.secondary_opts else each.opts)[0]
        for each in context.command.params
        if each.name and source(each.name) is click.core.ParameterSource.COMMANDLINE
    }


def _would(session: Session, packages: Packages, choice: Choice, unsure: int, doubts: list[str]) -> None:
    from daemon.export.run import planned
    from daemon.progress import Progress
    from daemon.retention.exact import warning

    with Progress("counting", "objects") as progress:
        plan = planned(packages, choice, progress=lambda count: progress.to(count, None))
    rows = [(kind.value, each.packages, each.files, each.bytes) for kind, each in plan.items()]
    at = packages.moment.at
    show(
        session,
        {
            "dry_run": True,
            "position": at,
            "inexact": unsure,
            "notes": doubts,
            "kinds": {kind: {"packages": count, "files": files, "bytes": size} for kind, count, files, size in rows},
        },
        f"would export, as of position {at:,}:",
        *table(("kind", "packages", "files", "bytes of files"), rows),
        *warning(unsure, f"position {at:,}"),
        *doubts,
    )


def _told(session: Session, done: Exported, folder: Path, at: int, unsure: int, doubts: list[str]) -> None:
    from daemon.retention.exact import warning

    notes = [f"{each.path.name}: {note}" for each in done.noted for note in each.left_out]
    refused = [f"refused: {each.kind.value} {each.handle or each.uuid}: {each.reason}" for each in done.refused]
    show(
        session,
        {
            "position": at,
            "inexact": unsure,
            "notes": doubts,
            "folder": str(folder),
            "packages": done.packages,
            "kept": done.kept,
            "bytes": done.bytes,
            "passed_over": done.passed_over,
            "noted": [{"package": each.path.name, "uuid": each.uuid, "notes": each.left_out} for each in done.noted],
            "refused": [each._asdict() for each in done.refused],
            "losses": done.losses.told(),
        },
        f"{counted(done.packages, 'package')} in {folder}, {sized(done.bytes)}, as of position {at:,}",
        *warning(unsure, f"position {at:,}"),
        *doubts,
        *([f"there already and the same: {done.kept:,}"] if done.kept else []),
        *([f"not modified since, passed over: {counted(done.passed_over, 'item')}"] if done.passed_over else []),
        *some(notes),
        *some(refused),
        *done.losses.text(verb="a restore by stock DSpace loses", full=session.verbose),
    )
