"""A bucket (s3://, gs://, az://) below a prefix: a few verbs over obstore, with its errors as ours and with patience.

Invariant: what failed for a passing reason (a connection cut, a server that restarts, a stall) is tried again, longer
apart each time, before it is raised; what is refused for good is raised at once. All writes here may be repeated: an
object appears whole or not at all, and whoever writes the same key writes the same content.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from events.blobs import refusals
from events.blobs.clouds import cloud_of, endpoint_of, is_plain_http
from events.errors import ConfigError, StorageUnusable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES: Final = ("s3", "gs", "az")
SERVER: Final = {"s3": "endpoint", "gs": "base_url", "az": "endpoint"}
"""What the library calls the address of another server."""
SINGLE: Final = 5 << 20
"""Bytes up to which an object goes in one request. S3's parts must not be smaller, but for the last."""
PART: Final = 8 << 20
PARTS: Final = 9000
"""S3 takes 10,000 parts."""
COPYABLE: Final = 5 << 30
"""S3 copies no more by one request."""
LATEST_LOOK: Final = 5.0
"""Seconds at most between two looks at a copy that Azure makes."""

T = TypeVar("T")


class Object(NamedTuple):
    """What a server says of an object. `key` is below the prefix, `size` in bytes."""

    key: str
    size: int
    e_tag: str | None
    modified: datetime


class Patience(NamedTuple):
    """How long one request may take, how often the library repeats it, and the pauses before we do all that again."""

    request_seconds: float = 180.0
    retries: int = 5
    pauses: tuple[float, ...] = (0.5, 2.0, 5.0)


class Replaced(Exception):
    """The object is no longer the one that was asked for."""


class Bucket:
    """The objects below a URL's prefix. Raises ConfigError for a URL or settings that cannot be used.

    Threads may share it. Every method raises StorageUnusable when the server refuses or does not answer.
    """

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._endpoint = endpoint_of(url)
        self._store = _store(url, self._endpoint, self._patience)
        self.url = url
        self.place = f"{url} at {self._endpoint}" if self._endpoint else url
        """The bucket as messages name it."""

    @property
    def plain_http(self) -> bool:
        """Whether contents travel unencrypted to another machine."""
        return is_plain_http(self._endpoint)

    def head(self, key: str) -> Object | None:
        """What is under that key, if anything is."""
        import obstore

        try:
            return _object(self._patiently(f"looking for {key}", lambda: obstore.head(self._store, key)))
        except FileNotFoundError:
            return None

    def get(self, key: str, start: int, length: int, e_tag: str | None = None) -> tuple[memoryview, Object] | None:
        """At most `length` bytes from `start` on, and the object they are of; None if there is none.

        With `e_tag` raises Replaced if it is another object by now.
        """
        import obstore
        from obstore.exceptions import PreconditionError

        options: Any = {"range": (start, start + length)}
        if e_tag is not None:
            options["if_match"] = e_tag

        def ask() -> tuple[memoryview, Object]:
            answer = obstore.get(self._store, key, options=options)
            return memoryview(answer.bytes()), _object(answer.meta)

        try:
            return self._patiently(f"reading {key}", ask)
        except FileNotFoundError:
            return None
        except PreconditionError as error:
            raise Replaced(key) from error
        except _NothingThere:
            found = self.head(key)  # S3 has no range of an empty object
            return (memoryview(b""), found) if found is not None else None

    def put(self, key: str, content: IO[bytes] | io.RawIOBase, size: int, *, create: bool = False) -> bool:
        """Write an object; False if `create` and there is one already.

        Above `SINGLE` it goes in parts, of which nothing is to be seen before the last has come; `create` is not asked
        for then.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        mode: Any = "create" if create and size <= SINGLE else "overwrite"

        def write() -> None:
            content.seek(0)
            try:
                send()
            except AlreadyExistsError as error:
                if mode == "create" or refusals.is_known(error):
                    raise
                raise ConnectionResetError(f"something else is done to {key} at this moment") from error
            except FileNotFoundError as error:
                if refusals.is_known(error):
                    raise
                # The answer to the last part was lost, or the server forgot the upload: as a whole it may be repeated.
                raise ConnectionResetError(f"the upload of {key} is not known any more") from error

        def send() -> None:
            if size <= SINGLE:
                obstore.put(self._store, key, content.read() or b"", mode=mode, use_multipart=False)
                return
            part = max(PART, -(-size // PARTS))
            obstore.put(
                self._store,
                key,
                cast("IO[bytes]", content),
                use_multipart=True,
                chunk_size=part,
                max_concurrency=2 if part == PART else 1,
            )

        try:
            self._patiently(f"writing {key}", write)
        except AlreadyExistsError:
            return False
        return True

    def copy(self, key: str, to: str, size: int) -> bool:
        """Have the server copy an object of `size` bytes, at most `COPYABLE`, within the bucket. False: there is none.

        The copy is there when this returns.
        """
        import obstore

        try:
            self._patiently(f"copying {key}", lambda: obstore.copy(self._store, key, to))
        except FileNotFoundError:
            return False
        if self.url.startswith("az:"):
            self._await_copy(key, to, size)
        return True

    def _await_copy(self, key: str, to: str, size: int) -> None:
        """Azure may answer before it has copied (x-ms-copy-status: pending); what is there until then is empty."""
        end = time.monotonic() + self._patience.request_seconds
        pause = 0.1
        while (found := self.head(to)) is None or found.size != size:
            if time.monotonic() > end:
                raise StorageUnusable(
                    f"the object store {self.place}: copying {key} failed: the copy is not there after "
                    f"{self._patience.request_seconds:.0f} seconds",
                    "Nothing was lost: the original stays until its copy is there. Start again.",
                )
            time.sleep(pause)
            pause = min(2 * pause, LATEST_LOOK)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; what is not there is no error."""
        import obstore

        some = list(dict.fromkeys(keys))
        for begin in range(0, len(some), 1000):
            part = some[begin : begin + 1000]
            try:
                self._patiently(f"deleting {part[0]}", partial(obstore.delete, self._store, part))
            except FileNotFoundError:
                # Google's are deleted one by one. The first that is not there ends it: the others may still be there.
                for key in part if len(part) > 1 else ():
                    with suppress(FileNotFoundError):
                        self._patiently(f"deleting {key}", partial(obstore.delete, self._store, key))

    def list(self, under: str = "") -> Iterator[Object]:
        """Every object, or those below a folder of keys; read page by page.

        A list that breaks off is asked for anew and goes on behind the last key. Servers list in the order of keys; of
        one that does not, the error is raised.
        """
        import obstore

        last, behind, in_order, pauses = "", "", True, iter(self._patience.pauses)
        while True:
            try:
                for page in obstore.list(self._store, prefix=under or None):
                    for found in map(_object, page):
                        if found.key > behind:
                            in_order, last = in_order and found.key > last, found.key
                            yield found
            except MemoryError:
                raise
            except Exception as error:
                if last > behind:
                    behind, pauses = last, iter(self._patience.pauses)
                passing = in_order and refusals.read(error, cloud_of(self.url)).passing
                pause = next(pauses, None) if passing else None
                if pause is None:
                    raise self._meant("listing", error) from error
                time.sleep(pause)
            else:
                return

    def keeps_versions(self, key: str, content: bytes) -> bool:
        """Write a small object twice; whether the server keeps the first."""
        import obstore

        def write() -> str | None:
            return self._patiently(f"writing {key}", lambda: obstore.put(self._store, key, content))["version"]

        version = write()
        if version is None or not self.url.startswith("gs:"):
            return version is not None
        write()  # Google's objects have a generation, whether older ones are kept or not
        try:
            self._patiently(f"reading {key}", lambda: obstore.get(self._store, key, options={"version": version}))
        except FileNotFoundError:
            return False
        return True

    def _patiently(self, doing: str, ask: Callable[[], T]) -> T:
        """Ask until it is answered. FileNotFoundError, AlreadyExistsError and PreconditionError are answers too, but
        where the server says by a code that they mean something else.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        pauses = iter(self._patience.pauses)
        while True:
            try:
                return ask()
            except (StorageUnusable, MemoryError):
                raise
            except Exception as error:
                answer = isinstance(error, FileNotFoundError | AlreadyExistsError | PreconditionError)
                if answer and not refusals.is_known(error):
                    raise
                if refusals.status_of(str(error)) == "416":
                    raise _NothingThere from error
                passing = refusals.read(error, cloud_of(self.url)).passing
                pause = next(pauses, None) if passing else None
                if pause is None:
                    raise self._meant(doing, error) from error
                time.sleep(pause)

    def _meant(self, doing: str, error: BaseException) -> StorageUnusable:
        return refusals.unusable(self.place, doing, error)


class _NothingThere(Exception):
    """The object has no byte of that range."""


def _object(meta: Any) -> Object:  # noqa: ANN401 - obstore's types are not there at run time
    return Object(meta["path"], meta["size"], meta["e_tag"], meta["last_modified"])


def _store(url: str, endpoint: str, patience: Patience) -> ObjectStore:
    parts = urlsplit(url)
    if not re.fullmatch(r"(?:s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(?:/[^?#]*)?", url):
        raise ConfigError(
            f"[blobs] url: {parts.scheme}://{parts.hostname or '?'}… names no bucket",
            "Use s3://bucket/prefix, gs://bucket/prefix or az://container/prefix. Credentials come from the "
            "environment, never from the URL.",
        )
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise ConfigError(
            f"[blobs] url: {parts.scheme}:// needs a library that is not installed",
            "pip install aipstream[objectstore]",
        ) from error
    seconds = timedelta(seconds=patience.request_seconds)
    config: Any = {SERVER[parts.scheme]: endpoint} if endpoint else {}
    see = "The settings of the object store are environment variables; docs/blobs.md lists them."
    try:
        return from_url(
            url.rstrip("/"),
            config=config,
            client_options={
                "allow_http": endpoint.startswith("http:"),
                "timeout": seconds,
                "connect_timeout": min(seconds, timedelta(seconds=5)),
            },
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": 2 * seconds,
                "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
            },
        )
    except Exception as error:
        raise ConfigError(
            f"[blobs] url: {url} cannot be used: {refusals.of_settings(error)}",
            f"{cloud_of(url).none} {see}",
        ) from error
