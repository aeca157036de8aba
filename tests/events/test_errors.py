"""Errors own their exit code and hint, and no message holds a password."""

from __future__ import annotations

import signal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import AipstreamError, GapInLog, without_password

passwords = st.text("ab/@:?&#'\\% =é\"", min_size=1, max_size=8).map(lambda middle: f"s3cr3t{middle}t41l")


def assert_hidden(shown: str) -> None:
    assert "s3cr3t" not in shown
    assert "t41l" not in shown


@given(passwords)
def test_a_password_in_a_url_is_hidden(password: str) -> None:
    """Written as it must be; what else the URL says stays."""
    shown = without_password(
        f"postgresql://dspace:{quote(password, safe='')}@db.example.org:5432/dspace?sslmode=require"
    )
    assert shown == "postgresql://dspace:***@db.example.org:5432/dspace?sslmode=require"


@pytest.mark.parametrize("middle", ["@", "/", ":", "?", "#", "&", "@@/", "%"])
def test_a_password_that_should_have_been_quoted_is_hidden(middle: str) -> None:
    """People forget it, and the message that tells them so must not print it."""
    shown = without_password(f"postgresql://dspace:s3cr3t{middle}t41l@db.example.org/dspace")
    assert shown == "postgresql://dspace:***@db.example.org/dspace"


@given(passwords)
def test_a_password_in_the_parameters_of_a_url_is_hidden(password: str) -> None:
    """`password` and `sslpassword`, wherever they stand."""
    quoted = quote(password, safe="")
    shown = without_password(f"postgresql://db/dspace?user=a&password={quoted}&sslmode=require&sslpassword={quoted}")
    assert shown == "postgresql://db/dspace?user=a&password=***&sslmode=require&sslpassword=***"


@given(passwords, st.sampled_from(["password=", "password = ", "PASSWORD=", "sslpassword="]))
def test_a_password_in_key_and_value_form_is_hidden(password: str, key: str) -> None:
    """In quotes, with libpq's escapes; and without, with a backslash before a blank."""
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    assert without_password(f"host=db {key}'{quoted}' dbname=dspace") == f"host=db {key}*** dbname=dspace"
    bare = password.replace("\\", "\\\\").replace("'", "\\'").replace(" ", "\\ ")
    assert without_password(f"host=db {key}{bare} dbname=dspace") == f"host=db {key}*** dbname=dspace"


def test_a_quote_that_is_not_closed_hides_the_rest() -> None:
    """Where the password ends nobody knows."""
    assert_hidden(without_password("host=db password='s3cr3t and t41l"))
    assert_hidden(without_password("host=db password='s3cr3t and t41l\\"))


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://db.example.org:5432/dspace",
        "postgresql://dspace@db.example.org/dspace?sslmode=require",
        "postgresql:///dspace",
        "host=db port=5432 dbname=dspace user=dspace",
        "file:///var/lib/aipstream/blobs",
        "",
    ],
)
def test_what_has_no_password_stays_as_it_is(dsn: str) -> None:
    """A port is no password."""
    assert without_password(dsn) == dsn


def every_error(base: type[AipstreamError] = AipstreamError) -> list[type[AipstreamError]]:
    return [base, *(found for error in base.__subclasses__() for found in every_error(error))]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_each_error_has_an_exit_code_and_a_hint(error: type[AipstreamError]) -> None:
    """No error ends the process with success, or leaves its reader alone."""
    assert 1 <= error.exit_code <= 125 or error.exit_code == 128 + signal.SIGINT
    assert error("what and where").hint.endswith((".", "."))
    assert error.__doc__


def test_a_hint_may_be_of_the_case() -> None:
    """It takes the place of the hint of the class, for that one error."""
    assert GapInLog("message", "Do this.").hint == "Do this."
    assert GapInLog("message").hint == GapInLog.hint != "Do this."
