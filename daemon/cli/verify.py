"""`aipstream verify`: the proof that both ends are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.cli.output import counted, json_option, table
from daemon.cli.session import Session, pass_session
from daemon.cli.verify_log import log_options, verify_log

if TYPE_CHECKING:
    from daemon.verify import Difference, Report


@click.command()
@click.option("--details", is_flag=True, help="Look into each difference, and say which parts of the object differ.")
@click.option(
    "--wait",
    "patience",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Compare what differs again for so long, however much it is: a replica that is running may have to catch up.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="How many differences (with --log: damages) are listed; the others are counted.",
)
@log_options
@json_option
@pass_session
def verify(
    session: Session,
    /,
    details: bool,
    patience: float,
    limit: int,
    of_log: bool,
    read_blobs: float | None,
    seconds: float | None,
    most_bytes: int | None,
    parse: bool,
    restart: bool,
    as_json: bool,
) -> None:
    """Compare source and target, object by object, by digests that each database computes over its own rows.

    Exit code 0: equal. Exit code 4: not equal, with the list. Nothing is believed of log or ledger.

    With --log: check the archive itself instead, every record of the log and every content that it needs. It walks on
    past every damage, and says which objects cannot be restored as they were from when to when, and how that can be
    mended. Exit code 5 if there is any. It may run beside everything else.
    """
    session.json = as_json
    if of_log and (details or patience):
        raise click.UsageError("--log compares nothing: neither --details nor --wait go with it")
    if not of_log and (read_blobs is not None or seconds or most_bytes or parse or restart):
        raise click.UsageError("--read-blobs, --seconds, --bytes, --parse and --restart go with --log")
    session.messages()
    if of_log:
        verify_log(
            session,
            read_blobs=read_blobs,
            seconds=seconds,
            most_bytes=most_bytes,
            parse=parse,
            restart=restart,
            limit=limit,
        )
        return
    from daemon import verify as proof
    from daemon.cli.targets import Told, on_each
    from daemon.config import Config
    from daemon.progress import Progress
    from daemon.schedule import remember_verified
    from events.errors import VerificationDiffers

    def compared(config: Config) -> Told:
        source, target = config.need_source(), config.need_database("verify")
        people, drafts = config.people.passwords, source.drafts
        with Progress("comparing", "objects") as progress:
            report = proof.verify(
                source.dsn,
                target.dsn,
                passwords=people,
                drafts=drafts,
                limit=limit,
                details=details,
                patience=patience,
                progress=lambda kind, count: progress.to(count, note=kind.value),
            )
        different = len(report.differences) + report.more
        remember_verified(config, sum(report.compared.values()), different, sample=False)
        differs = VerificationDiffers(
            f"{counted(different, 'object')} of {sum(report.compared.values()):,} "
            f"{'differs' if different == 1 else 'differ'} at LSN {report.lsn}"
        )
        return Told(_told(report), _lines(report), None if report.equal else differs)

    on_each(session, compared)


def _told(report: Report) -> dict[str, object]:
    return {
        "equal": report.equal,
        "lsn": report.lsn,
        "compared": report.compared,
        "more": report.more,
        "local": report.local,
        "seconds": round(report.seconds, 3),
        "differences": [{**each._asdict(), "kind": each.kind.value} for each in report.differences],
    }


def _lines(report: Report) -> list[str]:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in report.compared.items() if count)
    lines = (
        [f"equal at LSN {report.lsn}: {counts}; {report.seconds:.1f} s"]
        if report.equal
        else [
            *table(("kind", "handle", "uuid", "how", "parts"), [_row(each) for each in report.differences]),
            *([f"and {report.more:,} more"] if report.more else []),
            f"compared at LSN {report.lsn}: {counts}; {report.seconds:.1f} s",
        ]
    )
    if report.local:
        own = ", ".join(f"{count:,} {kind}" for kind, count in report.local.items())
        lines.append(f"the target's own, not compared: {own}")
    return lines


def _row(each: Difference) -> tuple[object, ...]:
    return each.kind.value, each.handle, each.uuid, each.how, ", ".join(each.parts)
