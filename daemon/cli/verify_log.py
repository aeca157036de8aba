"""What `aipstream verify --log` does: the whole archive looked through, and what is damaged named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import counted, show
from daemon.cli.session import Session

if TYPE_CHECKING:
    from daemon.integrity.report import Effect, Finding, Report

Command = Callable[..., Any]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class Percent(click.ParamType[float]):
    """`10%` or `10`."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises click's error for anything else, and for what is not within 0 to 100."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", str(value).strip())
        if match is None or float(match[1]) > 100:
            self.fail(f"{value!r} is no percentage: 10%, 100%", param, ctx)
        return float(match[1])


class Bytes(click.ParamType[int]):
    """`500M`, `2G`, `1000000`."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click's error for anything else."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", str(value).strip().lower())
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is no number of bytes: 500M, 2G", param, ctx)
        return int(float(match[1]) * _UNITS[match[2]])


read_blobs_option = click.option(
    "--read-blobs",
    type=Percent(),
    default=None,
    metavar="PERCENT",
    help="Read back that share of the contents (of `verify` with --log); the next pass takes the next. [default: 0%]",
)


def log_options(command: Command) -> Command:
    """The options of `verify` that go with `--log`."""
    for option in (
        click.option("--restart", is_flag=True, help="With --log: begin a new pass instead of going on with the last."),
        click.option("--parse", is_flag=True, help="With --log: read every document too, and see whose it is."),
        click.option(
            "--bytes",
            "most_bytes",
            type=Bytes(),
            metavar="BYTES",
            help="With --log: stop after reading so many (500M, 2G); the next run goes on from there.",
        ),
        click.option(
            "--seconds",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="With --log: stop after so long; the next run goes on from there.",
        ),
        read_blobs_option,
        click.option("--log", "of_log", is_flag=True, help="Check the log and its contents instead of the target."),
    ):
        command = option(command)
    return command


def verify_log(
    session: Session,
    *,
    read_blobs: float | None,
    seconds: float | None,
    most_bytes: int | None,
    parse: bool,
    restart: bool,
    limit: int,
) -> None:
    """Run a check, print what it found. Raises ArchiveDamaged."""
    from daemon.integrity.configured import check_configured, share_of
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from events.errors import ArchiveDamaged, Interrupted

    stop = Stop()
    with stop.on_signals(), Progress("checking", "") as progress:
        done = check_configured(
            session.config,
            share=share_of(read_blobs or 0.0),
            parse=parse,
            seconds=seconds,
            most_bytes=most_bytes,
            restart=restart,
            progress=lambda what, count, total: progress.to(count, total, what),
            stopped=stop,
        )
    found = done.report
    show(
        session,
        {"complete": done.complete, "bytes_read": done.bytes, **told(found, limit)},
        *lines(found, limit, complete=done.complete),
    )
    if stop():
        raise Interrupted("stopped while checking the log", "The same command goes on where it stopped.")
    if found.damaged:
        raise ArchiveDamaged(f"{counted(found.damaged, 'damage')} in the log or its contents")


def told(found: Report, limit: int) -> dict[str, Any]:
    """A report as JSON."""
    given = asdict(found)
    listed = found.findings[:limit]
    return {
        **given,
        "findings": [one_finding(one) for one in listed],
        "lost": [lost._asdict() for lost in found.lost],
        "more": found.more + len(found.findings) - len(listed),
        "covered": round(found.covered, 4),
    }


def lines(found: Report, limit: int, *, complete: bool) -> list[str]:
    """A report for people."""
    out: list[str] = []
    for one in found.findings[:limit]:
        out += finding(one)
    more = found.more + max(0, len(found.findings) - limit)
    out += [f"and {more:,} more"] if more else []
    for lost in found.lost[:limit]:
        who = f"{lost.kind} {lost.uuid}" + (f" ({lost.handle})" if lost.handle else "")
        out.append(
            f"lost to damage that was repaired: {who} as it was at {lost.commit_time} (position {lost.position:,})"
        )
    if complete and found.last:
        last = found.last
        out.append(
            f"the log {'is damaged' if found.damaged else 'is whole'}: {counted(last['events'], 'position')}, "
            f"{counted(last['contents'], 'content')} looked for, {last['read']:,} read back"
            + (", every document read" if last["parsed"] else "")
        )
    elif found.open:
        where = f"position {found.open['position']:,}"
        if found.open["phase"] not in ("whole", "log"):
            where = f"content {found.open['contents']:,} of {found.contents:,}"
        out.append(
            f"stopped at {where}; the next run goes on from there. "
            + (f"{counted(found.damaged, 'damage')} so far" if found.damaged else "No damage so far")
        )
    out.append(coverage(found))
    return out


def coverage(found: Report) -> str:
    """How much of the contents was read back, and since when."""
    if not found.read:
        return "no contents were read back yet (--read-blobs)"
    return (
        f"{100 * found.covered:.0f} % of the contents read back since {(found.read_since or '')[:19]}Z: "
        f"{found.read:,} of {found.contents:,}"
    )


def one_finding(one: Finding) -> dict[str, Any]:
    """One thing that is wrong, as JSON."""
    return {**one._asdict(), "effects": [effect._asdict() for effect in one.effects]}


def finding(one: Finding) -> list[str]:
    """The same for people."""
    place = f"content {one.content}" if one.content else "the log" if not one.position else f"position {one.position:,}"
    if one.last != one.position:
        place = f"positions {one.position:,} to {one.last:,}"
    out = [f"{one.fault}: {place}: {one.what}"]
    out += [f"    {_effect(effect)}" for effect in one.effects]
    out.append(f"    can be mended {one.mend}")
    return out


def _effect(effect: Effect) -> str:
    until = f"{effect.until_time} (position {effect.until:,})" if effect.until else "now"
    who = f"{effect.kind} {effect.uuid}" + (f" ({effect.handle})" if effect.handle else "")
    if not effect.uuid:
        return f"events committed between {effect.since or 'the beginning'} and {until}, of objects that nothing names"
    newer = "a later event of it is whole" if effect.newer else "there is NO later whole event of it"
    return (
        f"{who} cannot be restored as it was from {effect.since or '?'} (position {effect.first:,}) to {until}; {newer}"
    )
