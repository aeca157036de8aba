"""`aipstream export`: objects of the log as packages that stock DSpace takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from daemon.cli.output import counted, dry_run_option, json_option, show, sized, table
from daemon.cli.session import Session, pass_session


@click.command()
@click.argument("things", metavar="[site|HANDLE|UUID]...", nargs=-1)
@click.option("--into", "folder", type=click.Path(path_type=Path, file_okay=False), help="The folder of the packages.")
@click.option("--at", "moment", metavar="POSITION", help="As it was then: an event, an LSN or a time. [default: now]")
@click.option("--recursive/--single", "-a", default=True, show_default=True, help="With everything inside.")
@click.option("--manifest-only", is_flag=True, help="Bare METS documents, without contents.")
@click.option("--ui-url", default="http://localhost:4000", show_default=True, help="For links in bare manifests.")
@click.option("--filter-bundles", metavar="A,B", help="Leave these bundles out; +A,B: only these.")
@click.option("--include-bundles", metavar="A,B", help="Only these bundles (older form).")
@click.option("--updated-after", metavar="TIME", help="Of the items only those modified after that time.")
@click.option("--passwords", is_flag=True, help="With password hashes, if the log has them.")
@click.option("--unauthorized", type=click.Choice(["error", "skip", "zero"]), default="error", show_default=True,
              help="A content that is missing: refuse the object, leave the file out, or keep it empty.")  # fmt: skip
@click.option("--every-item", is_flag=True, help="Withdrawn items and old versions too, each as a package of its own.")
@click.option("--withdrawn", is_flag=True, help="Say of withdrawn items that they are: for a target that has them.")
@click.option("--extension/--no-extension", default=True, show_default=True,
              help="With what stock DSpace has no place for, for `aipstream import`.")  # fmt: skip
@dry_run_option
@json_option
@pass_session
def export(
    session: Session, /, things: tuple[str, ...], folder: Path | None, moment: str | None, dry_run: bool, as_json: bool,
    **given: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Write packages (TYPE@HANDLE.zip) of the whole site, or of the objects named, into a folder.

    The stock packager restores all of them by `dspace packager -r -a -f -t AIP … SITE@….zip`; in replace mode it
    erases passwords that a package does not have. Exit code 3 says that some objects could not be written.
    """
    session.json = as_json
    session.messages()
    from contextlib import closing

    from daemon.export.bundles import Bundles
    from daemon.export.moment import Moment
    from daemon.export.packages import Options, Packages
    from daemon.export.run import Choice, chosen, roots
    from daemon.export.run import export as write
    from daemon.parts import blobs_of, log_of
    from daemon.pipeline import Stop
    from daemon.positions import instant, position_of
    from daemon.progress import Progress
    from events.errors import ConfigError, Interrupted, ObjectsParked

    config = session.config
    if folder is None and not dry_run:
        raise ConfigError("where to? --into is missing", "aipstream export site --into FOLDER")
    with closing(log_of(config)) as log:
        then = Moment(log, position_of(log, moment) if moment else None)
        options = Options(
            manifest_only=given["manifest_only"],
            ui_url=given["ui_url"],
            bundles=Bundles.of(given["filter_bundles"], given["include_bundles"]),
            passwords=given["passwords"],
            extension=given["extension"],
            withdrawn=given["withdrawn"],
            lacking=given["unauthorized"],
        )
        after = instant(given["updated_after"])[:19] if given["updated_after"] else None
        packages = Packages(then, blobs_of(config), options)
        choice = Choice(roots(then, things), given["recursive"], after, given["every_item"])
        if dry_run:
            counts: dict[str, int] = {}
            for head in chosen(packages, choice):
                counts[head.kind.value] = counts.get(head.kind.value, 0) + 1
            told = {"dry_run": True, "position": then.at, "objects": counts}
            show(
                session,
                told,
                f"would export, as of position {then.at:,}:",
                *table(("kind", "objects"), list(counts.items())),
            )
            return
        assert folder is not None  # noqa: S101 - asked above
        stop = Stop()
        with stop.on_signals(), Progress("exporting", "objects") as progress:
            done = write(packages, choice, folder, progress=lambda count: progress.to(count, None), stopped=stop)
    size = sum(each.bytes for each in done.written)
    show(
        session,
        {
            "position": then.at,
            "folder": str(folder),
            "written": [{**each._asdict(), "path": each.path.name} for each in done.written],
            "refused": [each._asdict() for each in done.refused],
            "passed_over": done.passed_over,
            "bytes": size,
        },
        f"{counted(len(done.written), 'package')} in {folder}, {sized(size)}, as of position {then.at:,}",
        *([f"not modified since, passed over: {counted(done.passed_over, 'item')}"] if done.passed_over else []),
        *(f"{each.path.name}: {note}" for each in done.written for note in each.left_out),
        *(f"refused: {each.kind.value} {each.handle or each.uuid}: {each.reason}" for each in done.refused),
    )
    if stop():
        raise Interrupted(f"stopped after {counted(len(done.written), 'package')}")
    if done.refused:
        raise ObjectsParked(
            f"{counted(len(done.refused), 'object')} could not be exported",
            "The lines above say why. `aipstream snapshot` takes missing contents from the source again.",
        )
