"""Tells the index through the target's server: the scripts endpoint of DSpace's REST API.

A run is `POST /api/system/scripts/index-discovery/processes` with the arguments as the multipart field `properties`;
the answer names a process, which is asked for until it is COMPLETED or FAILED. (RestContract: scripts-endpoint.md,
processes-endpoint.md.) The session below it is `daemon.index.session`.

Invariants:

* A call counts as told when its process is COMPLETED and the server's Solr core of the search was there: a process in
  which Solr did not answer is COMPLETED as well.
* Processes that we started and that went well are taken off the server's list again; failed ones stay, for people.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any, Final

import structlog

from daemon.index.port import Call, Stopped
from daemon.index.session import Answer, Session
from events.errors import IndexFailed, Interrupted

logger = structlog.get_logger(__name__)

SCRIPT: Final = "/api/system/scripts/index-discovery"
PROCESSES: Final = "/api/system/processes"
HEALTH: Final = "/actuator/health"
_CORE: Final = "solrSearchCore"
_NAPS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two looks at a process: soon at first, then more and more rarely."""


class RestIndexer:
    """`daemon.index.port.Indexer` over a server's REST API."""

    start = 10
    """The server runs already: a process there costs little more than what it indexes."""

    def __init__(self, session: Session, *, naps: tuple[float, ...] = _NAPS) -> None:
        self.session = session
        self.naps = naps

    def tell(self, call: Call, stopped: Stopped) -> None:
        """See the port."""
        self._solr()
        process = self._started(call)
        state = self._ended(process, call, stopped)
        if state != "COMPLETED":
            raise IndexFailed(
                f"[index] {self.session.url}: {call.text} ended as {state} (process {process})",
                f"Its output is in the list of processes of that server, number {process}. What is due stays due.",
            )
        self._solr()
        self._tidy(process)

    def look(self) -> str:
        """See the port: logs in and asks for the script, which only an administrator may see."""
        self._expect(self.session.ask("GET", SCRIPT), 200, "the script index-discovery")
        self._solr()
        return f"{self.session.url} knows index-discovery and lets {self.session.user} run it"

    def close(self) -> None:
        """Forget the session."""
        self.session.close()

    # --- one process --------------------------------------------------------------------------------------------------

    def _started(self, call: Call) -> int:
        body, kind = _form(_properties(call.arguments))
        answer = self.session.ask("POST", f"{SCRIPT}/processes", body, kind)
        number = self._expect(answer, 202, call.text).get("processId")
        if not str(number).isdigit():
            raise IndexFailed(f"[index] {self.session.url}: the answer to {call.text} names no process")
        return int(str(number))

    def _ended(self, process: int, call: Call, stopped: Stopped) -> str:
        """The state in which that process ended. Raises IndexFailed if it does not, Interrupted."""
        began, looks = time.monotonic(), 0
        while True:
            state = self._expect(self.session.ask("GET", f"{PROCESSES}/{process}"), 200, f"process {process}").get(
                "processStatus"
            )
            if state in ("COMPLETED", "FAILED"):
                return str(state)
            if state not in ("SCHEDULED", "RUNNING"):
                raise IndexFailed(f"[index] {self.session.url}: process {process} is in an unknown state: {state!r}")
            if time.monotonic() - began > call.limit_seconds:
                raise IndexFailed(
                    f"[index] {self.session.url}: process {process} ({call.text}) is still {state} after "
                    f"{call.limit_seconds:,.0f} s",
                    "Look at the server's list of processes: it may be waiting behind others, or hang.",
                )
            self._nap(self.naps[min(looks, len(self.naps) - 1)], call, stopped)
            looks += 1

    @staticmethod
    def _nap(seconds: float, call: Call, stopped: Stopped) -> None:
        until = time.monotonic() + seconds
        while True:
            if stopped():
                raise Interrupted(f"stopped while the server was busy with {call.text}; what it tells stays due")
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.2))

    def _tidy(self, process: int) -> None:
        """Take our own process off the list of the server; it is only a courtesy."""
        try:
            answer = self.session.ask("DELETE", f"{PROCESSES}/{process}")
        except IndexFailed as error:
            logger.debug("index.process_stays", process=process, error=str(error))
        else:
            if answer.status not in (200, 204):
                logger.debug("index.process_stays", process=process, status=answer.status)

    def _solr(self) -> None:
        """Raise IndexFailed if the server says that the core of the search is down. It may not say anything."""
        components = self.session.ask("GET", HEALTH, known=(200, 401, 403, 404, 503)).json.get("components")
        core = components.get(_CORE) if isinstance(components, dict) else None
        if isinstance(core, dict) and core.get("status") not in (None, "UP", "UNKNOWN"):
            raise IndexFailed(
                f"[index] {self.session.url}: the server says that its Solr core of the search is {core['status']}",
                "Start Solr, or correct `solr.server` of the target. What is due stays due.",
            )

    def _expect(self, answer: Answer, status: int, what: str) -> dict[str, Any]:
        if answer.status == status:
            return answer.json
        if answer.status == 404:
            raise IndexFailed(
                f"[index] {self.session.url}: there is no {what} (404)",
                "[index] url is the server, as `dspace.server.url` of the target has it: https://HOST/server",
            )
        if answer.status == 403:
            raise IndexFailed(
                f"[index] {self.session.url}: {self.session.user} may not use {what} (403)",
                "[index] user must be a member of the target's group Administrator.",
            )
        raise IndexFailed(f"[index] {self.session.url}: {what}: status {answer.status}{answer.reason}")


def _properties(arguments: tuple[str, ...]) -> str:
    """The arguments as the endpoint wants them: name and value; one that stands alone has no value."""
    found: list[dict[str, str]] = []
    for word in arguments:
        if word.startswith("-"):
            found.append({"name": word})
        else:
            found[-1]["value"] = word
    return json.dumps(found)


def _form(properties: str) -> tuple[bytes, str]:
    """The body of the request and its type (RFC 7578)."""
    boundary = f"aipstream-{uuid.uuid4().hex}"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="properties"\r\n'
        f"Content-Type: text/plain; charset=UTF-8\r\n\r\n{properties}\r\n--{boundary}--\r\n"
    )
    return body.encode(), f"multipart/form-data; boundary={boundary}"
