"""A stand-in of DSpace's REST API, as far as telling the index goes: login, tokens, scripts, processes, health.

It does what RestContract says and the server's code does: the token against forged requests is compared with the
cookie that came with it, and is exchanged at login and whenever it did not fit; a session's token ends; a process goes
through its states; only an administrator sees scripts. What a test wants to go wrong stands in `mishaps`.
"""

from __future__ import annotations

import email
import email.policy
import json
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

ROOT = "/server"
ADMIN, READER, PASSWORD = "admin@example.org", "reader@example.org", "p@ss/wörd & more"


@dataclass
class Server:
    """`with Server() as server: server.url`. `calls` are the arguments of every run that was accepted."""

    states: list[str] = field(default_factory=lambda: ["SCHEDULED", "RUNNING", "COMPLETED"])
    solr: str | None = "UP"
    has_csrf_endpoint: bool = True
    rotating: bool = False
    """Whether every answer brings another token."""
    calls: list[list[str]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    mishaps: deque[tuple[str, str, Callable[[Handler], None]]] = field(default_factory=deque)
    """(method, end of the path, what to do instead); each once, when it fits."""
    sessions: dict[str, str] = field(default_factory=dict)
    processes: dict[int, deque[str]] = field(default_factory=dict)
    port: int = 0
    certificate: Path | None = None
    """A file with key and certificate: the server speaks TLS."""

    def __enter__(self) -> Self:
        handler = type("Bound", (Handler,), {"site": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}{ROOT}"

    def expire(self) -> None:
        """Every session is over."""
        self.sessions.clear()

    def once(self, method: str, path: str, what: Callable[[Handler], None]) -> None:
        """The next such request ends so instead."""
        self.mishaps.append((method, path, what))

    def count(self, method: str, path: str) -> int:
        """How many such requests came."""
        return sum(1 for how, where in self.requests if how == method and where.endswith(path))


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    site: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def _any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix(ROOT)
        self.site.requests.append((self.command, path))
        for number, (method, end, what) in enumerate(self.site.mishaps):
            if method == self.command and path.endswith(end):
                del self.site.mishaps[number]
                return what(self)
        if not self.path.startswith(ROOT + "/"):
            return self.answer(404)
        if self.command not in ("GET", "HEAD") and not self._csrf_fits():
            return self.answer(403, {"message": "Access is denied. Invalid CSRF token."}, token=True)
        return self._route(path)

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(
        self, status: int, said: object = None, *, token: bool = False, bearer: str = "", **headers: str
    ) -> None:
        """Status, JSON, and where it is due another token against forged requests with its cookie."""
        body = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        if token or self.site.rotating:
            new = str(uuid.uuid4())
            self.send_header("DSPACE-XSRF-TOKEN", new)
            self.send_header("Set-Cookie", f"DSPACE-XSRF-COOKIE=; Path={ROOT}; Max-Age=0; HttpOnly; SameSite=Lax")
            self.send_header("Set-Cookie", f"DSPACE-XSRF-COOKIE={new}; Path={ROOT}; HttpOnly; SameSite=Lax")
        if bearer:
            self.send_header("Authorization", f"Bearer {bearer}")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _csrf_fits(self) -> bool:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("DSPACE-XSRF-COOKIE")
        return cookie is not None and bool(cookie.value) and cookie.value == self.headers.get("X-XSRF-TOKEN")

    def _who(self) -> str | None:
        return self.site.sessions.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    # --- endpoints ----------------------------------------------------------------------------------------------------

    def _route(self, path: str) -> None:
        if path == "/api/security/csrf" and self.site.has_csrf_endpoint:
            return self.answer(204, token=True)
        if path == "/api/authn/status":
            new = not self.headers.get("Cookie")
            return self.answer(200, {"okay": True, "authenticated": self._who() is not None}, token=new)
        if path == "/api/authn/login" and self.command == "POST":
            return self._login()
        if path == "/actuator/health":
            components = {"solrSearchCore": {"status": self.site.solr}} if self.site.solr else {}
            shown = {"components": components} if self._who() == ADMIN else {}
            return self.answer(503 if self.site.solr == "DOWN" else 200, {"status": "UP", **shown})
        if self._who() is None:
            return self.answer(401, {"message": "Authentication is required"})
        if self._who() != ADMIN:
            return self.answer(403, {"message": "Access is denied"})
        if path == "/api/system/scripts/index-discovery":
            return self.answer(200, {"id": "index-discovery", "parameters": [{"name": "-i"}]})
        if path == "/api/system/scripts/index-discovery/processes" and self.command == "POST":
            return self._start()
        if path.startswith("/api/system/processes/"):
            return self._process(path.rsplit("/", 1)[1])
        return self.answer(404)

    def _login(self) -> None:
        fields = parse_qs(self.body.decode())
        user = fields.get("user", [""])[0]
        if user not in (ADMIN, READER) or fields.get("password") != [PASSWORD]:
            return self.answer(401, {"message": "Authentication failed!"}, WWW_Authenticate='password realm="DSpace"')
        bearer = uuid.uuid4().hex
        self.site.sessions[bearer] = user
        return self.answer(200, token=True, bearer=bearer)

    def _start(self) -> None:
        form = email.message_from_bytes(
            b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + self.body,
            policy=email.policy.HTTP,
        )
        if form.get_content_type() != "multipart/form-data":
            return self.answer(400, {"message": "Invalid mimetype"})
        fields = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in form.iter_parts()  # type: ignore[attr-defined]
        }
        arguments: list[str] = []
        for parameter in json.loads(fields["properties"]):
            assert set(parameter) <= {"name", "value"}
            arguments += [parameter["name"], *([parameter["value"]] if "value" in parameter else [])]
        self.site.calls.append(arguments)
        number = len(self.site.calls)
        self.site.processes[number] = deque(self.site.states)
        return self.answer(202, self._told(number))

    def _process(self, number: str) -> None:
        found = int(number) if number.isdigit() else 0
        if found not in self.site.processes:
            return self.answer(404)
        if self.command == "DELETE":
            del self.site.processes[found]
            self.site.deleted.append(found)
            return self.answer(204)
        states = self.site.processes[found]
        if len(states) > 1:
            states.popleft()
        return self.answer(200, self._told(found))

    def _told(self, number: int) -> dict[str, object]:
        return {"processId": number, "scriptName": "index-discovery", "processStatus": self.site.processes[number][0]}


# --- what may go wrong ------------------------------------------------------------------------------------------------


def status(number: int, message: str = "") -> Callable[[Handler], None]:
    """Answer with that status."""
    return lambda handler: handler.answer(number, {"message": message} if message else None)


def stale_token(handler: Handler) -> None:
    """Refuse the token and send another, as after a restart of the server."""
    handler.answer(403, {"message": "Access is denied. Invalid CSRF token."}, token=True)


def hang_up(handler: Handler) -> None:
    """End the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def slowly(seconds: float) -> Callable[[Handler], None]:
    """Say nothing for so long, then hang up."""

    def wait(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return wait
