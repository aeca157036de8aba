"""One capture in a process of its own, so that a test can kill it: `python -m … sweep|emit|bootstrap DSN FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from daemon.dspace import connect, fingerprint
from daemon.source import Touched
from daemon.source.assetstore import Assetstore
from daemon.source.bootstrap import Bootstrap, Plan
from daemon.source.emitter import Emitter, instant
from daemon.source.poll import PollSource
from daemon.source.state import State
from events.blobs import open_blobs
from events.log.opening import open_log
from tests.daemon.source.site import OPTIONS


def main(how: str, dsn: str, folder: str) -> None:
    state = State(f"sqlite:///{folder}/state.sqlite")
    log = open_log(f"sqlite:///{folder}/log.sqlite", create=True)
    blobs = open_blobs(f"file://{folder}/blobs", create=True)
    stores = {0: Path(folder) / "assetstore"}
    emitter = Emitter(
        lambda: connect.connect(dsn, "source"), log, blobs, state, Assetstore(stores), OPTIONS, "test-source"
    )
    if how == "sweep":
        print(PollSource(emitter).sweep())
    elif how == "emit":
        connection = emitter.connection()
        lsn, time = instant(connection)
        touched = [
            Touched(kind, uuid, lsn, time)
            for kind in fingerprint.KINDS
            for uuid, _ in fingerprint.sweep(connection, kind, OPTIONS)
        ]
        known = [Touched(None, uuid, lsn, time) for uuid, *_ in log.heads()]
        print(emitter.emit(touched + known))
    else:
        plan = Plan(dsn, f"file://{folder}/blobs", state.url, stores, (), OPTIONS, "test-source")
        print(Bootstrap(emitter, plan).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
