"""What is parked on either side, and how it is tried again or forgotten.

Invariant: the side that is running owns its state and its connection. If it is a daemon's, it is asked (through the
state) to try again, else we take its place for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Literal, NamedTuple

from daemon.config import Config
from daemon.hold import holder
from daemon.parts import capturing, lock_path, reading, replaying, state_of, state_path
from daemon.schedule import ASKED_CAPTURE, ASKED_REPLAY
from events.aip.model import Uuid
from events.errors import Locked

Side = Literal["capture", "replay"]


class Aside(NamedTuple):
    """A parked object. `position` is that of its event, 0 on the side of capture, where there is none yet."""

    side: Side
    kind: str
    uuid: Uuid
    error: str
    reason: str
    since: str
    attempts: int
    position: int = 0
    needs: tuple[Uuid, ...] = ()


class Retried(NamedTuple):
    """What became of another try: objects that went through, that are still parked, and the daemons that were asked."""

    released: int
    parked: int
    asked: list[Side]


def parked(config: Config, uuids: Sequence[Uuid] | None = None) -> list[Aside]:
    """Everything that is parked, or what of `uuids` is; of several targets, one has to be chosen.

    Raises what reading state and target raises.
    """
    found = parked_on_capture(config, uuids)
    if config.target is not None or config.targets:
        found += parked_on_replay(config, uuids)
    return found


def parked_on_capture(config: Config, uuids: Sequence[Uuid] | None = None) -> list[Aside]:
    """What could not be captured."""
    found: list[Aside] = []
    if state_path(config).exists():
        with closing(state_of(config)) as state:
            found += [
                Aside("capture", one.kind.value, one.uuid, one.error, one.reason, one.since, one.attempts)
                for one in state.parked(uuids)
            ]
    return found


def parked_on_replay(config: Config, uuids: Sequence[Uuid] | None = None) -> list[Aside]:
    """What could not be applied to the target."""
    with reading(config) as books:
        return [
            Aside(
                "replay",
                one.kind.value,
                one.uuid,
                one.error,
                one.reason,
                one.since,
                one.attempts,
                one.position,
                one.needs,
            )
            for one in books.parked(uuids)
        ]


def retry(config: Config, uuids: Sequence[Uuid] | None = None) -> Retried:
    """Try what is parked again, all or those of `uuids`. What is captured so is in the log, and replayed from there."""
    if config.targets:
        config.need_target()
    before = parked(config, uuids)
    sides = {one.side for one in before}
    asked: list[Side] = []
    if "capture" in sides and config.source is not None:
        if holder(lock_path(config)) is not None:
            asked.append("capture")
        else:
            with capturing(config) as parts:
                parts.emitter.retry_parked(force=True)
    if "replay" in sides and config.target is not None:
        try:
            with replaying(config) as target:
                target.retry([one.uuid for one in before if one.side == "replay"])
                target.finish()
        except Locked:
            asked.append("replay")
    if asked:
        with closing(state_of(config)) as state:
            keys = {"capture": ASKED_CAPTURE, "replay": config.keyed(ASKED_REPLAY)}
            state.remember(meta={keys[side]: "1" for side in asked})
    after = parked(config, uuids)
    return Retried(len(before) - len(after), len(after), asked)


def discard(config: Config, uuids: Sequence[Uuid]) -> int:
    """Forget that those are parked; how many were. Each stays as it is on the target until it changes again.

    Raises Locked while a daemon works on that side.
    """
    found = parked(config, uuids)
    captured = [one.uuid for one in found if one.side == "capture"]
    if captured:
        if (process := holder(lock_path(config))) is not None:
            raise Locked(
                f"process {process} captures; what it has parked cannot be discarded meanwhile",
                "Stop it, discard, and start it again.",
            )
        with closing(state_of(config)) as state:
            state.remember(cleared=captured)
    replayed = [one.uuid for one in found if one.side == "replay"]
    if replayed:
        with replaying(config) as target:
            target.discard(replayed)
    return len(found)
