"""A verb on each target in turn, where there are several and none was chosen.

Invariant: with one target everything is printed as if there could be no other. With several each is told under its
name, what one of them fails at holds up none of the others, and the verb ends with the worst of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.cli.output import show
from events.errors import AipstreamError, Interrupted

if TYPE_CHECKING:
    from daemon.cli.session import Session
    from daemon.config import Config


class Told(NamedTuple):
    """What a verb has to say of one target: as JSON, as lines, and what it ends with though it did its work."""

    result: Any
    lines: Sequence[str] = ()
    error: AipstreamError | None = None


def on_each(
    session: Session,
    work: Callable[[Config], Told],
    *,
    before: dict[str, Any] | None = None,
    lines: Sequence[str] = (),
    error: AipstreamError | None = None,
) -> None:
    """Do it on the only target, and print that; or on each of several, and print `targets` with each by its name.

    `before`, `lines` and `error` are of what concerns all of them. Raises what `work` raises for the only target; with
    several the first failure, else the first `error`, naming the targets.
    """
    config = session.config
    if not config.targets:
        told = work(config)
        show(session, {**(before or {}), **told.result} if before else told.result, *lines, *told.lines)
        if end := error or told.error:
            raise end
        return
    found: dict[str, Any] = {}
    text = list(lines)
    failed: dict[str, AipstreamError] = {}
    ends: dict[str, AipstreamError] = {}
    for one in config.each():
        try:
            told = work(one)
        except Interrupted:
            raise
        except AipstreamError as raised:
            failed[one.name] = raised
            told = Told(as_told(raised), [f"failed: {raised}", *(f"  {line}" for line in raised.hint.splitlines())])
        if told.error is not None:
            ends[one.name] = told.error
        found[one.name] = told.result
        text += [f"{one.name}:", *(f"  {line}" for line in told.lines)]
    show(session, {**(before or {}), "targets": found}, *text)
    if failed:
        raise of_several(failed)
    if error is not None:
        raise error
    if ends:
        raise of_several(ends)


def as_told(error: AipstreamError) -> dict[str, Any]:
    """An error in the place of a result."""
    return {"error": type(error).__name__, "message": str(error), "hint": error.hint, "exit_code": error.exit_code}


def of_several(errors: dict[str, AipstreamError]) -> AipstreamError:
    """The first of those errors, with the names of the targets that have one."""
    name, error = next(iter(errors.items()))
    others = [each for each in errors if each != name]
    more = f" (and {', '.join(others)}: see above)" if others else ""
    error.args = (f"{name}: {error}{more}",)
    return error
