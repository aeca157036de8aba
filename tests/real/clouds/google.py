"""Google's XML API, as far as a client of blobs asks for it, in front of a real S3 server.

There is no server of it to be had for tests: fake-gcs-server 1.56.1 refuses what that API sends (`PUT` of an object,
copies, uploads in parts). But Google made it out of S3's, and it differs in a few words. So here stands s3proxy, and
before it what says those words in S3's: names of headers, generations, and who is let in by a signed token.

What this shows is that the library's requests to Google are whole, and that we get along with their answers. It does
not show what Google's servers do.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.real.buckets.relay import Relay
from tests.real.s3.server import S3Server

WORDS: Final = (
    (re.compile(rb"(?im)^x-goog-copy-source:"), b"x-amz-copy-source:"),
    (re.compile(rb"(?im)^x-goog-if-generation-match: *0 *\r$"), b"If-None-Match: *\r"),
    (re.compile(rb"(?im)^authorization:.*\r\n"), b""),
)


class Google(Relay):
    """The front, and s3proxy behind it, both on free ports of the loopback."""

    scheme = "gs"
    no_such = "no such bucket"

    def __init__(self, folder: Path) -> None:
        self._s3 = S3Server(folder, "s3proxy.authorization=none")
        self._folder = folder
        super().__init__(self._s3.port)
        self._generation = 0
        self._key = rsa.generate_private_key(65537, 2048)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client finds it and is let in: by the key file of a service account."""
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.account()),
            "GOOGLE_ALLOW_HTTP": "true",
            **self.found_at(self.url),
        }

    def found_at(self, url: str) -> dict[str, str]:
        """The variable that names the server, for another address of it."""
        return {"GOOGLE_BASE_URL": url}

    def account(self) -> Path:
        """The key file of an account that is let in."""
        return self.written("account.json", self._key)

    def written(self, name: str, key: rsa.RSAPrivateKey) -> Path:
        """A key file of that name, with that key."""
        says = {
            "type": "service_account",
            "private_key_id": "one",
            "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "client_email": "tests@example.org",
        }
        path = self._folder / name
        path.write_text(json.dumps(says))
        return path

    def bucket(self) -> str:
        """Make a bucket: its name, which no other has."""
        name = f"b{secrets.token_hex(8)}"
        self._s3.bucket(name)
        return name

    def start(self) -> Self:
        """Start the server behind the front."""
        self._s3.start()
        return self

    def revive(self) -> None:
        """Start it if it does not run."""
        self._s3.revive()

    def kill(self) -> None:
        """Kill that one; the front closes whatever comes."""
        self._s3.kill()

    def __enter__(self) -> Self:
        return super().__enter__().start()

    def __exit__(self, *reason: object) -> None:
        super().__exit__(*reason)
        self.kill()

    def carry(self, near: socket.socket, far: socket.socket) -> None:
        """One connection, request by request."""
        with near.makefile("rb") as up, far.makefile("rb") as down:
            while head := _head(up):
                length = _length(head)
                if (own := self._own(head)) is not None:
                    up.read(length)
                    near.sendall(own)
                    continue
                if head.startswith(b"DELETE ") and self._misses(head, far, down):
                    near.sendall(_answer(b"404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>"))
                    continue
                far.sendall(self._translated(head))
                for part in _body(up, length):
                    far.sendall(part)
                while (answer := _head(down)).startswith(b"HTTP/1.1 100"):
                    pass
                near.sendall(self._told(answer))
                if not head.startswith(b"HEAD"):
                    self._pass(down, near, answer)

    def _own(self, head: bytes) -> bytes | None:
        """What Google says that S3 would not: who is not let in, and that older generations are not kept."""
        if not self._lets_in(head):
            return _answer(b"401 Unauthorized", b"<Error><Code>AuthenticationRequired</Code></Error>")
        if re.match(rb"GET [^ ]*[?&]generation=", head):
            return _answer(b"404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>")
        return None

    def _lets_in(self, head: bytes) -> bool:
        """Whether the request has a token (a JWT, RS256) that our account has signed."""
        token = re.search(rb"(?im)^authorization: Bearer ([^.\s]+\.[^.\s]+)\.([^.\s]+)\r$", head)
        try:
            signature = base64.urlsafe_b64decode(token[2] + b"==") if token else b""
            self._key.public_key().verify(signature, token[1] if token else b"", PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def _misses(self, head: bytes, far: socket.socket, down: object) -> bool:
        """Whether what is to be deleted is not there: Google says so, S3 does not."""
        far.sendall(self._translated(head.replace(b"DELETE ", b"HEAD ", 1)))
        return b" 404 " in _head(down).partition(b"\r\n")[0]

    @staticmethod
    def _translated(head: bytes) -> bytes:
        request, end, rest = head.partition(b"\r\n")
        for pattern, word in WORDS:
            rest = pattern.sub(word, rest)
        # s3proxy takes a slash in a name for what it is only as such.
        return request.replace(b"%2F", b"/") + end + rest.replace(b"%2F", b"/")

    def _told(self, answer: bytes) -> bytes:
        self._generation += 1
        return answer[:-2] + b"x-goog-generation: %d\r\n\r\n" % self._generation

    @staticmethod
    def _pass(down: Iterator[bytes], near: socket.socket, answer: bytes) -> None:
        if b"chunked" not in answer.lower():
            for part in _body(down, _length(answer)):
                near.sendall(part)
            return
        while line := down.readline():  # type: ignore[attr-defined]
            near.sendall(line)
            size = int(line, 16)
            for part in _body(down, size + 2):
                near.sendall(part)
            if not size:
                return


def _head(source: object) -> bytes:
    """All up to the empty line; nothing at the end."""
    lines = []
    while line := source.readline():  # type: ignore[attr-defined]
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return b""


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _body(source: object, length: int) -> Iterator[bytes]:
    while length:
        part = source.read1(min(length, 65536))  # type: ignore[attr-defined]
        if not part:
            raise ConnectionResetError
        length -= len(part)
        yield part


def _answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n%s" % (status, len(body), body)
