"""`aipstream status`: where everything stands, with the daemon running or not."""

from __future__ import annotations

from typing import Any

import click

from daemon.cli.output import json_option, show, sized
from daemon.cli.session import Session, pass_session


@click.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Tell positions, lag, what is parked, the slot, what the index waits for, and the last verification.

    What does not answer is named, within seconds, and the rest is told.
    """
    session.json = as_json
    session.messages()
    from daemon.status import status as read

    told = read(session.config)
    show(session, told, *_lines(told))


def _lines(told: dict[str, Any]) -> list[str]:
    log, capture = told["log"], told["capture"]
    lines = ["log      " + (f"DOES NOT ANSWER: {log['error']}" if "error" in log else _log(log))]
    if "error" in log and log["end"] is not None:
        lines.append(f"         read on this machine: {_log(log)}")
    if log.get("writer"):
        writer = log["writer"]
        lines.append(f"writer   {'last ' if writer['released'] else ''}{writer['holder']}, since {writer['since']}")
    if "error" in told["blobs"]:
        lines.append(f"contents DO NOT ANSWER: {told['blobs']['error']}")
    if capture is not None:
        lines.append("capture  " + (_failed(capture) or _capture(capture)))
        if "slot" in capture:
            lines.append("slot     " + (_failed(capture["slot"]) or _slot(capture["slot"])))
    for name, of in told.get("targets", {}).items():
        lines += [f"{name}:", *(f"  {line}" for line in _target(of))]
    lines += [] if "targets" in told else _target(told)
    lines.append("checked  " + (_failed(told["checked"]) or _checked(told["checked"])))
    if told["copied"] is not None:
        lines.append("copied   " + _copied(told["copied"]))
    return lines


def _log(part: dict[str, Any]) -> str:
    last = f", the last committed {part['commit_time']}" if "commit_time" in part else ""
    return f"{part['end']:,} events{last}"


def _target(told: dict[str, Any]) -> list[str]:
    """What concerns one target."""
    replay, lag = told["replay"], told["lag"]
    lines = []
    if replay is not None:
        lines.append("replay   " + (_failed(replay) or _replay(replay)))
        if "ended" in replay:
            ended = replay["ended"]
            lines.append(f"         ENDED {ended['at']} by {ended['kind']}: {ended['error']}")
    if lag["events"] is not None:
        lines.append(
            f"lag      {lag['events']:,} events, {lag['seconds']:,.1f} s"
            + (f", {sized(lag['bytes'])} of WAL" if lag["bytes"] is not None else "")
        )
    if told["index"] is not None:
        lines.append("index    " + _index(told["index"]))
    lines.append("verified " + _verified(told["verified"]))
    return lines


def _failed(part: dict[str, Any]) -> str:
    return f"not known: {part['error']}" if "error" in part else ""


def _capture(part: dict[str, Any]) -> str:
    running = f"running (process {part['process']})" if part["process"] else "not running"
    begun = "" if part["bootstrapped_at"] else ", not everything captured yet"
    return (
        f"{part['mode']}, {running}{begun}, last up to date {part['captured_at'] or 'never'}, {part['parked']:,} parked"
    )


def _slot(part: dict[str, Any]) -> str:
    if not part["exists"]:
        return f"{part['name']}: there is none"
    return (
        f"{part['name']}: {part['wal_status']}, {'read' if part['active'] else 'not read'}, "
        f"{sized(part['lag'])} behind, keeps {sized(part['retained'])}"
    )


def _replay(part: dict[str, Any]) -> str:
    running = "running" if part["process"] else "not running"
    position = "position not known" if part["position"] is None else f"at position {part['position']:,}"
    return (
        f"{running}, {position}, last applied {part['applied_at'] or 'never'}, "
        f"{part['parked']:,} parked"
    )


def _index(part: dict[str, Any]) -> str:
    if part["due"] is None:
        return f"not known: {part['error']}"
    due = f"{part['due']:,} due" + (f" since {part['oldest']}" if part["oldest"] else "")
    failed = f", FAILED {part['failures']} times, last {part['failed_at']}: {part['error']}" if part["error"] else ""
    return f"{part['mode']}, {due}, last told {part['told_at'] or 'never'}{failed}"


def _verified(last: dict[str, Any] | None) -> str:
    if last is None:
        return "never"
    if "error" in last:
        return _failed(last)
    what = "a sample of " if last["sample"] else ""
    result = f"{last['differing']:,} differ" if last["differing"] else "all equal"
    return f"{last['at']}, {what}{last['objects']:,} objects, {result}"


def _checked(part: dict[str, Any]) -> str:
    last, opened = part["last"], part["open"]
    when = f"{last['at']}, {last['events']:,} events" if last else "never"
    going = f", a pass under way since {opened['began']}" if opened else ""
    share = 100 * part["read"] / part["contents"] if part["contents"] else 0
    read = f", {share:.0f} % of the contents read since {part['read_since']}" if part["read"] else ""
    damage = f", {part['damaged']:,} DAMAGES (`aipstream verify --log`)" if part["damaged"] else ""
    return f"{when}{going}{read}{damage or (', no damage' if last else '')}"


def _copied(last: dict[str, Any]) -> str:
    if "error" in last:
        return _failed(last)
    missing = f", {last['missing']:,} contents MISSING (`aipstream copy --heal`)" if last["missing"] else ""
    return f"{last['at']}, up to position {last['position']:,}{missing}"
