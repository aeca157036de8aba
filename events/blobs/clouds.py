"""What the three kinds of bucket (s3://, gs://, az://) differ in for us: their variables, and the words for what to do.

Invariant: of a variable only its name is ever told, and an endpoint's address; what else is in them may be a secret.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from events.errors import ConfigError

_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9\[][^\s/@?#]*(?:/[^\s?#]*)?")
_HERE: Final = {"localhost", "127.0.0.1", "::1"}


class Cloud(NamedTuple):
    """One kind."""

    server: str
    """The variable that names another server than the cloud's own; `servers` are all that do, the first that is set
    counts.
    """
    servers: tuple[str, ...]
    http: str
    """The variable without which no server is reached unencrypted, if the kind has one."""
    bucket: str
    """What it calls a bucket."""
    form: str
    none: str
    """What to do without credentials; `keys`, with wrong ones; `rights`, when they do not suffice."""
    keys: str
    rights: str

    @property
    def missing(self) -> str:
        """What to do when there is no such bucket."""
        return (
            f"aipstream makes no {self.bucket}s: make it, or correct [blobs] url. If the {self.bucket} is on another "
            f"server, set {self.server}."
        )


_S3_KEYS: Final = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"

CLOUDS: Final = {
    "s3": Cloud(
        server="AWS_ENDPOINT_URL",
        servers=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        http="",
        bucket="bucket",
        form="s3://bucket/prefix",
        none="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of aipstream (or run it where the "
        "machine's own role gives credentials).",
        keys=f"The access key is not one of that server, or its secret is another: check {_S3_KEYS} in the "
        "environment of aipstream.",
        rights="The account needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the "
        "objects below the prefix, and s3:ListBucket on the bucket. Without the last, what is missing looks as if it "
        "were forbidden.",
    ),
    "az": Cloud(
        server="AZURE_STORAGE_ENDPOINT",
        servers=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        http="AZURE_ALLOW_HTTP",
        bucket="container",
        form="az://container/prefix",
        none="Set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, in the "
        "environment of aipstream (or AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID, or run it where the "
        "machine's own identity gives credentials).",
        keys="The key is not that account's, or has been renewed: check AZURE_STORAGE_ACCOUNT_NAME and "
        "AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_SAS_TOKEN) in the environment of aipstream, and this machine's "
        "clock.",
        rights="The account needs to read, write, delete and list blobs of the container: the role Storage Blob Data "
        "Contributor, or a SAS with the permissions r, a, c, w, d and l.",
    ),
    "gs": Cloud(
        server="GOOGLE_BASE_URL",
        servers=("GOOGLE_BASE_URL",),
        http="GOOGLE_ALLOW_HTTP",
        bucket="bucket",
        form="gs://bucket/prefix",
        none="Set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT to the path of the account's key file in "
        "the environment of aipstream (or run it where the machine's own service account gives credentials).",
        keys="The credentials are not valid there: check the file that GOOGLE_APPLICATION_CREDENTIALS or "
        "GOOGLE_SERVICE_ACCOUNT names, and this machine's clock.",
        rights="The account needs the role Storage Object User (roles/storage.objectUser) on the bucket: to get, "
        "create, delete and list objects.",
    ),
}


def cloud_of(url: str) -> Cloud:
    """The kind of a URL's bucket (that of `s3://` for what is none of them)."""
    return CLOUDS.get(url.partition(":")[0], CLOUDS["s3"])


def endpoint_of(url: str) -> str:
    """The address of another server than the cloud's own, or nothing. Raises ConfigError for one that is none, and for
    one without TLS where that must be allowed and is not.
    """
    cloud = cloud_of(url)
    emulator = cloud is CLOUDS["az"] and _true("AZURE_STORAGE_USE_EMULATOR")
    names = ("AZURITE_BLOB_STORAGE_URL",) if emulator else cloud.servers
    name = next((each for each in names if os.environ.get(each)), "")
    address = os.environ.get(name, "http://127.0.0.1:10000" if emulator else "")
    if address and not _ADDRESS.fullmatch(address):
        raise ConfigError(f"{name} names no server", "Write it as https://host:port, or http:// where there is no TLS.")
    if address.startswith("http:") and cloud.http and not emulator and not _true(cloud.http):
        raise ConfigError(
            f"{name} is an address without TLS, {address}, and {cloud.http} is not set",
            f"Write https://…, or set {cloud.http}=true: contents and tokens then travel unencrypted, which is meant "
            "for emulators on this machine.",
        )
    return address


def is_plain_http(address: str) -> bool:
    """Whether what goes to that address travels unencrypted to another machine."""
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname not in _HERE


def _true(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in {"1", "true", "on", "yes", "y"}
