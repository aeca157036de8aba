"""A session with DSpace's REST API: login, the token of the session, and the token against forged requests.

How DSpace 7 and later do it (RestContract: authentication.md, csrf-tokens.md; server: `DSpaceCsrfTokenRepository`):

* Every request that changes something carries the token that the server gave last, in the header `X-XSRF-TOKEN`, and
  the cookie `DSPACE-XSRF-COOKIE` that came with it; else it is refused with 403. Any answer may bring another pair.
* `POST /api/authn/login` answers with the session's token in the header `Authorization`. It is good for half an hour
  by default; with one that is over, a request is answered with 401, or like one of a stranger.

Invariants: a refused request is tried once more after a new token or a new login, never more often; no message holds
the password or a token; certificates are verified; every wait has its limit; a redirect is not followed, for the
password would go with it.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException, IncompleteRead
from http.cookiejar import CookieJar
from typing import IO, Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from events.errors import ConfigError, IndexFailed, without_password

LOGIN: Final = "/api/authn/login"
LOGOUT: Final = "/api/authn/logout"
STATUS: Final = "/api/authn/status"
TOKENS: Final = ("/api/security/csrf", STATUS)
"""Where a first token comes from: the endpoint for it is not in the first releases of 7.6, any other GET brings one."""
FORM: Final = "application/x-www-form-urlencoded"
MOST: Final = 4 * 1024 * 1024
TIMEOUT: Final = 30.0

_SAFE: Final = ("GET", "HEAD")


class Answer(NamedTuple):
    """A status and what came with it; `json` is empty where the body is none."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def reason(self) -> str:
        """What the server says of it, for a message."""
        said = self.json.get("message")
        return f", {' '.join(str(said).split())[:300]}" if said else ""


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_keys: Any) -> None:  # noqa: ANN401 - as urllib declares it
        """Follow nothing."""


class Session:
    """`ask` sends one request as the account, logging in when it has to. Raises IndexFailed."""

    def __init__(self, url: str, user: str, password: str, *, timeout: float = TIMEOUT) -> None:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigError(
                f"[index] url: {without_password(url)!r} is no address of a server",
                "It is `dspace.server.url` of the target: https://HOST/server",
            )
        if address.username or address.password:
            raise ConfigError("[index] url: the account belongs into [index] user and password, not into the address")
        self.url, self.user = url.rstrip("/"), user
        self._password, self._timeout = password, timeout
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            _Stay,
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
            urllib.request.HTTPCookieProcessor(self._cookies),
        )
        self._token = self._bearer = ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "", *, known: tuple[int, ...] = ()
    ) -> Answer:
        """The answer to that request, whatever its status but 401, 429 and 5xx, unless they are `known`."""
        if not self._bearer:
            self._login()
        answer = self._send(method, path, body, kind)
        if answer.status == 401 and 401 not in known:
            self._login()
            answer = self._send(method, path, body, kind)
        elif answer.status == 403 and method not in _SAFE:
            # Either the token was not the last one, or the account lacks the right: a new one tells.
            self._fetch_token()
            answer = self._send(method, path, body, kind)
        if answer.status in known or (answer.status < 500 and answer.status not in (401, 429)):
            return answer
        raise IndexFailed(f"[index] {self.url}{path}: status {answer.status}{answer.reason}")

    def close(self) -> None:
        """Log nobody out: DSpace would end every session of the account. The token ends by itself."""
        self._token = self._bearer = ""
        self._cookies.clear()

    def _login(self) -> None:
        self._bearer = ""
        self._fetch_token()
        fields = urlencode({"user": self.user, "password": self._password}).encode()
        answer = self._send("POST", LOGIN, fields, FORM)
        if answer.status == 403:
            self._fetch_token()
            answer = self._send("POST", LOGIN, fields, FORM)
        bearer = answer.headers.get("Authorization", "") if answer.status == 200 else ""
        if answer.status == 401:
            raise IndexFailed(
                f"[index] {self.url} does not let {self.user} in",
                "Check [index] user and password: an account of the target that logs in by password.",
            )
        if not bearer.startswith("Bearer "):
            raise IndexFailed(
                f"[index] {self.url}: the login was answered with status {answer.status}{answer.reason} and no token",
                "[index] url is the server, as `dspace.server.url` of the target has it: https://HOST/server",
            )
        self._bearer = bearer

    def _fetch_token(self) -> None:
        self._token = ""
        for path in TOKENS:
            answer = self._send("GET", path)
            if self._token:
                return
        raise IndexFailed(
            f"[index] {self.url}: no token against forged requests came, status {answer.status}{answer.reason}",
            "[index] url is the server, as `dspace.server.url` of the target has it: https://HOST/server",
        )

    def _send(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Answer:
        request = urllib.request.Request(self.url + path, body, method=method)  # noqa: S310 - the scheme was checked
        request.add_header("Accept", "application/json, */*")
        if kind:
            request.add_header("Content-Type", kind)
        if method not in _SAFE:
            request.add_header("X-XSRF-TOKEN", self._token)
        if self._bearer:
            request.add_header("Authorization", self._bearer)
        try:
            answer = self._open(request)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise IndexFailed(f"[index] {self.url} does not answer: {type(error).__name__}: {reason}") from error
        self._token = answer.headers.get("DSPACE-XSRF-TOKEN") or self._token
        if 300 <= answer.status < 400:
            place = without_password(str(answer.headers.get("Location", "")))
            raise IndexFailed(
                f"[index] {self.url}{path} is redirected to {place}", "Set [index] url to the address that it leads to."
            )
        return answer

    def _open(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return Answer(answer.status, answer.headers, _body(answer, answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, _body(error, error.headers))


def _body(answer: IO[bytes], headers: Any) -> bytes:  # noqa: ANN401 - urllib's own
    """The whole body. Raises IncompleteRead if it is shorter than announced, which urllib does not."""
    body = answer.read(MOST)
    length = headers.get("Content-Length", "")
    if length.isdigit() and len(body) < min(int(length), MOST):
        raise IncompleteRead(body, int(length) - len(body))
    return body
