"""No password is ever printed: by no verb, in no form, whatever fails."""

from __future__ import annotations

import pytest

from daemon.scratch import free_port
from tests.daemon.cli.place import Place

SECRET = "s3cr3t-t41l"
VERBS = [
    ("init",), ("check",), ("snapshot",), ("snapshot", "--dry-run"), ("replay",), ("replay", "--dry-run"),
    ("run", "--until-current"), ("verify",), ("sequences",), ("status",), ("log",), ("park",),
    ("park", "retry", "--all"), ("slot", "show"), ("slot", "drop"), ("config", "show"), ("config", "check"),
]  # fmt: skip
FORMS = {
    "text": ((), ()),
    "json": ((), ("--json",)),
    "log": (("--log-format", "json", "--verbose"), ()),
}


def with_password(dsn: str, form: str) -> str:
    """The DSN with a password, as a URL, in a parameter, or as keys and values."""
    host, _, database = dsn.removeprefix("postgresql://postgres@").partition("/")
    address, _, port = host.partition(":")
    return {
        "url": f"postgresql://postgres:{SECRET}@{host}/{database}",
        "parameter": f"postgresql://postgres@{host}/{database}?password={SECRET}",
        "keys": f"host={address} port={port} dbname={database} user=postgres password={SECRET}",
    }[form]


@pytest.fixture
def closed_port() -> int:
    return free_port()


@pytest.mark.parametrize("form", ["url", "parameter", "keys"])
def test_no_verb_prints_a_password(place: Place, form: str, closed_port: int) -> None:
    """Where everything works, where neither end answers, and where the account is refused."""
    good = with_password(place.source, form), with_password(place.target, form)
    bad = [dsn.replace(str(place.cluster.port), str(closed_port)) for dsn in good]
    refused = [dsn.replace("postgres:", "nobody:", 1).replace("postgres@", "nobody@", 1)
               .replace("user=postgres", "user=nobody") for dsn in good]
    for source, target in (good, bad, refused):
        place.configure(source=source, target=target)
        for verb in VERBS:
            for before, after in FORMS.values() if form == "url" else [FORMS["log"]]:
                done = place(*verb, *after, options=before)
                assert SECRET not in done.out + done.err, (verb, done)
                assert "unexpected" not in done.err, (verb, done)


@pytest.mark.parametrize("middle", "@/:?#%")
def test_a_password_that_is_not_encoded_is_refused_and_not_printed(place: Place, middle: str) -> None:
    """Neither whole nor in the parts that libpq would take for a host or a port."""
    host = place.source.removeprefix("postgresql://postgres@")
    place.configure(source=f"postgresql://postgres:s3cr3t{middle}t41l@{host}")
    for verb in (("config", "show"), ("check",), ("run", "--until-current")):
        done = place(*verb)
        assert "s3cr3t" not in done.out + done.err
        assert "t41l" not in done.out + done.err
        assert done.code == (0 if middle == ":" else 2)


def test_the_daemon_does_not_print_it_either(place: Place, closed_port: int) -> None:
    """Not in its messages, and not in the error that ends it."""
    place.configure(source=with_password(place.source, "url").replace(str(place.cluster.port), str(closed_port)))
    daemon = place.process("--verbose", "run")
    place.says("capture.failed")
    place.stop(daemon)
    assert SECRET not in place.messages()
