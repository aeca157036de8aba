"""What an object store's errors mean, in words that name the bucket and what to do.

Invariant: of the server's answer only the status and its code are repeated, never the body or a header: S3 puts access
keys and what was signed in there.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from events.errors import StorageUnusable

_CODE: Final = re.compile(r"<Code>(\w+)</Code>|\"(?:code|error)\": *\"(\w+)\"")
_STATUS: Final = re.compile(r"status code: (\d{3})(?: [A-Z][A-Za-z ]*)?")

_KEYS: Final = (
    "The access key is not one of that server, or its secret is another: check AWS_ACCESS_KEY_ID, "
    "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in the environment of aipstream."
)
_RIGHTS: Final = (
    "The account needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the objects below "
    "the prefix, and s3:ListBucket on the bucket. Without the last, what is missing looks as if it were forbidden."
)
_REGION: Final = "Set AWS_REGION to the bucket's region (and AWS_ENDPOINT_URL, if it is no bucket of AWS)."
_BUCKET: Final = (
    "aipstream makes no buckets: make it, or correct [blobs] url. If the bucket is on another server, set "
    "AWS_ENDPOINT_URL."
)
_LATER: Final = "Nothing was lost. When the server answers again, start again, which resumes where it stopped."
_NONE: Final = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of aipstream (or run it where the machine's "
    "own role gives credentials). For gs:// it is GOOGLE_APPLICATION_CREDENTIALS, for az:// AZURE_STORAGE_ACCOUNT_NAME "
    "with AZURE_STORAGE_ACCOUNT_KEY."
)
_DOWN: Final = "Check AWS_ENDPOINT_URL (or the network to the cloud) and that the server runs. " + _LATER

_ROLES: Final = ("169.254.169.254", "/latest/api/token", "/latest/meta-data", "metadata.google.internal", "redential")
"""Of where a machine's own role is asked for."""

MEANINGS: Final = {
    "NoSuchBucket": ("there is no such bucket", _BUCKET),
    "AccessDenied": ("access is denied", _RIGHTS),
    "InvalidAccessKeyId": ("the access key is not known there", _KEYS),
    "SignatureDoesNotMatch": (
        "the signature does not match: a wrong secret key, or the request was changed on its way",
        _KEYS,
    ),
    "ExpiredToken": ("the credentials have expired", _KEYS),
    "InvalidToken": ("the session token is not valid", _KEYS),
    "PermanentRedirect": ("the bucket is in another region", _REGION),
    "AuthorizationHeaderMalformed": ("the region is not the bucket's", _REGION),
    "IllegalLocationConstraintException": ("the region is not the bucket's", _REGION),
    "RequestTimeTooSkewed": ("the clocks differ too much", "Set this machine's clock (ntp)."),
    "InvalidBucketName": ("that is no name of a bucket", "Correct [blobs] url: s3://bucket/prefix"),
    "SlowDown": ("the server is asked too often", _LATER),
    "QuotaExceeded": ("the quota is used up", "Free space there, or raise the quota; then start again."),
}


class Refusal(NamedTuple):
    """What happened, what to do, and whether the same request may well succeed a little later."""

    what: str
    hint: str
    passing: bool


def read(error: BaseException) -> Refusal:
    """What an error of obstore says."""
    text = str(error).partition("Debug source")[0]
    code, status = code_of(text), status_of(text)
    if code in MEANINGS:
        return Refusal(f"{MEANINGS[code][0]} ({code})", MEANINGS[code][1], code == "SlowDown")
    if any(sign in text for sign in _ROLES):
        return Refusal("there are no credentials", _NONE, passing=False)
    if status in {"301", "307"}:
        return Refusal(f"the bucket is in another region (status {status})", _REGION, passing=False)
    if status in {"401", "403"}:
        return Refusal(f"access is denied (status {status})", f"{_KEYS} {_RIGHTS}", passing=False)
    if status is not None:
        passing = status >= "500" or status in {"400", "408", "429"}
        return Refusal(f"the server answered status {status}{f' {code}' if code else ''}", _LATER, passing)
    if "timed out" in text or "timeout" in text.lower().replace("retry_timeout", ""):
        return Refusal("the server did not answer in time", _DOWN, passing=True)
    if "error sending request" in text or "onnect" in text:
        return Refusal("the server does not answer", _DOWN, passing=True)
    if "error decoding response body" in text or "request or response body" in text or "ncomplete" in text:
        return Refusal("the connection broke", _DOWN, passing=True)
    return Refusal(f"{type(error).__name__} of the object store's library", _LATER, passing=True)


def code_of(text: str) -> str:
    """The server's own code in an error, or nothing."""
    found = _CODE.search(text)
    return (found[1] or found[2]) if found else ""


def status_of(text: str) -> str | None:
    """The HTTP status in an error."""
    found = _STATUS.search(text)
    return found[1] if found else None


def unusable(place: str, doing: str, error: BaseException) -> StorageUnusable:
    """The error to raise: `doing` says what was tried, with the key."""
    told = read(error)
    return StorageUnusable(f"the object store {place}: {doing} failed: {told.what}", told.hint)
