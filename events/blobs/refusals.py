"""What an object store's errors mean, in words that name the bucket and what to do.

Invariant: of the server's answer only the status and its code are repeated, never the body or a header: S3 puts access
keys and what was signed in there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from events.blobs.clouds import Cloud, cloud_of
from events.errors import StorageUnusable

_CODE: Final = re.compile(r"<Code>(\w+)</Code>|\"(?:code|error)\": *\"(\w+)\"")
_STATUS: Final = re.compile(r"status code: (\d{3})(?: [A-Z][A-Za-z ]*)?|\(code: (\d{3})\)")

_LATER: Final = "Nothing was lost. When the server answers again, start again, which resumes where it stopped."
_REGION: Final = "Set AWS_REGION to the bucket's region (and AWS_ENDPOINT_URL, if it is no bucket of AWS)."

_ROLES: Final = (
    "169.254.169.254",
    "/latest/api/token",
    "/latest/meta-data",
    "metadata.google.internal",
    "storage.azure.com",
)
"""Of where a machine's own role is asked for."""

_Hint = Callable[[Cloud], str]


def _keys(cloud: Cloud) -> str:
    return cloud.keys


def _rights(cloud: Cloud) -> str:
    return cloud.rights


def _both(cloud: Cloud) -> str:
    return f"{cloud.keys} {cloud.rights}"


def _missing(cloud: Cloud) -> str:
    return cloud.missing


def _name(cloud: Cloud) -> str:
    return f"Correct [blobs] url: {cloud.form}"


def _region(_: Cloud) -> str:
    return _REGION


def _later(_: Cloud) -> str:
    return _LATER


MEANINGS: Final[dict[str, tuple[str, _Hint]]] = {
    "NoSuchBucket": ("there is no such bucket", _missing),
    "AccessDenied": ("access is denied", _rights),
    "InvalidAccessKeyId": ("the access key is not known there", _keys),
    "SignatureDoesNotMatch": (
        "the signature does not match: a wrong secret key, or the request was changed on its way",
        _keys,
    ),
    "ExpiredToken": ("the credentials have expired", _keys),
    "InvalidToken": ("the session token is not valid", _keys),
    "PermanentRedirect": ("the bucket is in another region", _region),
    "AuthorizationHeaderMalformed": ("the region is not the bucket's", _region),
    "IllegalLocationConstraintException": ("the region is not the bucket's", _region),
    "RequestTimeTooSkewed": ("the clocks differ too much", lambda _: "Set this machine's clock (ntp)."),
    "InvalidBucketName": ("that is no name of a bucket", _name),
    "SlowDown": ("the server is asked too often", _later),
    "QuotaExceeded": ("the quota is used up", lambda _: "Free space there, or raise the quota; then start again."),
    # Azure's
    "ContainerNotFound": ("there is no such container", _missing),
    "ContainerBeingDeleted": ("the container is being deleted", _missing),
    "AuthenticationFailed": ("the key or token is not accepted", _keys),
    "InvalidAuthenticationInfo": ("the key or token is not accepted", _keys),
    "NoAuthenticationInformation": ("the key or token is not accepted", _keys),
    "AuthorizationFailure": ("access is denied, by its key, its rights or the account's firewall", _both),
    "AuthorizationPermissionMismatch": ("access is denied", _rights),
    "InsufficientAccountPermissions": ("access is denied", _rights),
    "AccountIsDisabled": ("the account is disabled", _keys),
    "InvalidResourceName": ("that is no name of a container", _name),
    "ServerBusy": ("the server is asked too often", _later),
    "PendingCopyOperation": ("the object is being copied to", _later),
    "BlobImmutableDueToPolicy": (
        "a policy keeps the container's blobs from being changed",
        lambda _: "Where nothing may be deleted, leave `prune` out for contents; what is there was not touched.",
    ),
    "LeaseIdMissing": ("somebody holds a lease on the object", lambda _: "Break the lease, then start again."),
    # Google's
    "AuthenticationRequired": ("the credentials are not accepted", _keys),
    # of what gives tokens (OAuth)
    "invalid_client": ("the credentials are refused", _keys),
    "invalid_grant": ("the credentials are refused", _keys),
    "unauthorized_client": ("the credentials are refused", _keys),
}
_PASSING: Final = frozenset({"SlowDown", "ServerBusy", "PendingCopyOperation", "ContainerBeingDeleted"})

_SETTINGS: Final = (
    ("Account must be specified", "no storage account is named"),
    ("Invalid Access Key", "the account's key is not one: it is not base64"),
    ("SAS", "the SAS token is not one"),
    ("Unable to open service account file", "the file with the account's key cannot be opened"),
    ("service account file", "the account's key cannot be read: it is not the JSON of one"),
    ("credential", "the credentials cannot be read"),
)
"""What the library says of settings, and what we say: its own words may hold what is in a key."""
_OURS: Final = ("AWS_", "AZURE_", "GOOGLE_")


class Refusal(NamedTuple):
    """What happened, what to do, and whether the same request may well succeed a little later."""

    what: str
    hint: str
    passing: bool


def read(error: BaseException, cloud: Cloud) -> Refusal:
    """What an error of obstore says."""
    text = str(error).partition("Debug source")[0]
    code, status = code_of(text), status_of(text)
    down = f"Check {cloud.server} (or the network to the cloud) and that the server runs. {_LATER}"
    if code in MEANINGS:
        what, hint = MEANINGS[code]
        return Refusal(f"{what} ({code})", hint(cloud), code in _PASSING)
    if any(sign in text for sign in _ROLES) or (status is None and "redential" in text):
        return Refusal("there are no credentials", cloud.none, passing=False)
    if status in {"301", "307"} and cloud.server.startswith("AWS_"):
        return Refusal(f"the bucket is in another region (status {status})", _REGION, passing=False)
    if status in {"401", "403"}:
        return Refusal(f"access is denied (status {status})", _both(cloud), passing=False)
    if status is not None:
        passing = status >= "500" or status in {"400", "408", "409", "429"}
        return Refusal(f"the server answered status {status}{f' {code}' if code else ''}", _LATER, passing)
    if "timed out" in text or "timeout" in text.lower().replace("retry_timeout", ""):
        return Refusal("the server did not answer in time", down, passing=True)
    if "error sending request" in text or "onnect" in text:
        return Refusal("the server does not answer", down, passing=True)
    if "error decoding response body" in text or "request or response body" in text or "ncomplete" in text:
        return Refusal("the connection broke", down, passing=True)
    return Refusal(f"{type(error).__name__} of the object store's library", _LATER, passing=True)


def is_known(error: BaseException) -> bool:
    """Whether the server's own code says what it means."""
    return code_of(str(error)) in MEANINGS


def of_settings(error: BaseException) -> str:
    """What keeps the library from using the settings, with nothing that is in them."""
    text = str(error).partition("Debug source")[0].strip()
    for sign, meaning in _SETTINGS:
        if sign in text:
            return meaning
    for name, value in os.environ.items():
        if name.startswith(_OURS) and len(value) > 3:
            text = text.replace(value, f"<{name}>")
    return text


def code_of(text: str) -> str:
    """The server's own code in an error, or nothing."""
    found = _CODE.search(text)
    return (found[1] or found[2]) if found else ""


def status_of(text: str) -> str | None:
    """The HTTP status in an error."""
    found = _STATUS.search(text)
    return (found[1] or found[2]) if found else None


def unusable(place: str, doing: str, error: BaseException) -> StorageUnusable:
    """The error to raise: `doing` says what was tried, with the key."""
    told = read(error, cloud_of(place))
    return StorageUnusable(f"the object store {place}: {doing} failed: {told.what}", told.hint)
