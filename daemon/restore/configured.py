"""A restore as the configuration has it: the configured log into the configured target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from daemon.config import Config
from daemon.dspace.sequences import SequenceChange
from daemon.parts import replaying
from daemon.restore.apply import carry_out
from daemon.restore.plan import Plan, plan
from daemon.restore.scope import Scope, narrowed
from daemon.target.applied import Applied
from daemon.target.ledger import Parked
from daemon.target.replay import NativeTarget
from events.errors import ConfigError
from events.event import Position


class Restoring:
    """A target that is to be brought to another moment: first `plan`, then, if that is wanted, `do`."""

    def __init__(self, target: NativeTarget) -> None:
        self.target = target

    def plan(
        self, at: Position, scope: Scope | None = None, progress: Callable[[int], None] = lambda _count: None
    ) -> Plan:
        """What there is to be done. With a scope only its objects, and what they need."""
        target = self.target
        only = scope.only if scope is not None else None
        made = plan(target.connection, target.log, at, target.options, only=only, progress=progress)
        target.connection.rollback()
        return narrowed(made, scope) if scope is not None else made

    def do(
        self,
        made: Plan,
        *,
        stand: bool,
        progress: Callable[[int], None] = lambda _count: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> tuple[Applied, list[SequenceChange], list[Parked]]:
        """Carry the plan out, then move the sequences. What is parked of the plan's objects is returned."""
        applied = carry_out(self.target, made, stand=stand, progress=progress, stopped=stopped)
        moved = self.target.finish()
        return applied, moved, self.target.parked([step.uuid for step in made.steps])


@contextmanager
def restoring(config: Config) -> Iterator[Restoring]:
    """The configured target, to be restored. Raises ConfigError for a driver that cannot, else as `replaying`."""
    with replaying(config) as target:
        if not isinstance(target, NativeTarget):
            raise ConfigError(
                "[target] driver 'packager' cannot go back: the stock packager deletes nothing",
                "Use driver 'native', or `aipstream export --at` and DSpace's own packager.",
            )
        yield Restoring(target)
