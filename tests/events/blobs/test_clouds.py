"""What the environment says of the three kinds of bucket is told apart before anything is asked of a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from events.blobs.bucket import Bucket
from events.blobs.clouds import CLOUDS
from events.errors import ConfigError

TOLD = "never-to-be-told"
ACCOUNT = {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5a2V5"}
ALLOW = {"az": "AZURE_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of a cloud, and no file of one in a home."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "AZURITE_", "GOOGLE_", "SERVICE_ACCOUNT")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def opening(monkeypatch: pytest.MonkeyPatch, url: str, **environment: str) -> ConfigError:
    """What opening says with those variables: nothing of what is in them, and nothing of another cloud."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        Bucket(url)
    said = str(caught.value) + caught.value.hint
    assert TOLD not in said
    assert url.startswith("s3:") or "AWS" not in said
    return caught.value


@pytest.mark.parametrize(
    "text", [TOLD, f'"{TOLD}"', f'{{"private_key": "{TOLD}"}}', f'{{"private_key_id": ["{TOLD}"]}}']
)
@pytest.mark.parametrize("variable", ["GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_SERVICE_ACCOUNT"])
def test_a_key_of_google_that_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, variable: str
) -> None:
    """With the variables to look at and nothing of what is in them, in the variable or in the file that it names."""
    (tmp_path / "key.json").write_text(text)
    error = opening(
        monkeypatch, "gs://bucket/x", **{variable: text if variable.endswith("KEY") else str(tmp_path / "key.json")}
    )
    assert "cannot be read" in str(error)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in error.hint


def test_a_key_file_of_google_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is not repeated: it may be the key itself, in the wrong variable."""
    error = opening(monkeypatch, "gs://bucket/x", GOOGLE_APPLICATION_CREDENTIALS=f'{{"private_key": "{TOLD}"}}')
    assert "cannot be opened" in str(error)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "no storage account is named"),
        ({"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": TOLD}, "not base64"),
        ({"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_SAS_TOKEN": TOLD}, "the SAS token is not one"),
    ],
)
def test_an_account_of_azure_that_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    """With the variables to look at."""
    error = opening(monkeypatch, "az://container/x", **environment)
    assert said in str(error)
    assert "AZURE_STORAGE_ACCOUNT_NAME" in error.hint


def test_what_is_in_a_setting_that_is_none_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variable is."""
    error = opening(monkeypatch, "s3://bucket/x", AWS_VIRTUAL_HOSTED_STYLE_REQUEST=TOLD)
    assert "AWS_VIRTUAL_HOSTED_STYLE_REQUEST" in str(error)


@pytest.mark.parametrize("scheme", ["az", "gs"])
def test_no_server_is_reached_unencrypted_unless_told(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """Not by its address alone; the variable that allows it is named."""
    environment = {**ACCOUNT, CLOUDS[scheme].server: "http://127.0.0.1:1"}
    for value in ("", "false"):
        error = opening(monkeypatch, f"{scheme}://bucket/x", **environment, **{ALLOW[scheme]: value})
        assert f"{ALLOW[scheme]}=true" in error.hint
    monkeypatch.setenv(ALLOW[scheme], "true")
    bucket = Bucket(f"{scheme}://bucket/x")
    assert bucket.place == f"{scheme}://bucket/x at http://127.0.0.1:1"
    assert not bucket.plain_http
    monkeypatch.setenv(CLOUDS[scheme].server, "http://192.0.2.1")
    assert Bucket(f"{scheme}://bucket/x").plain_http


@pytest.mark.parametrize("scheme", ["s3", "az", "gs"])
@pytest.mark.parametrize("address", ["127.0.0.1:9", "https://", "ftp://host", f"http://u:{TOLD}@h", f"http://h?{TOLD}"])
def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, scheme: str, address: str) -> None:
    """With the variable to correct; a password or a token in it is not repeated."""
    for variable in CLOUDS[scheme].servers:
        error = opening(monkeypatch, f"{scheme}://bucket/x", **ACCOUNT, **{variable: address})
        assert variable in str(error)
        monkeypatch.delenv(variable)


def test_the_word_for_azures_emulator_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages say where it is then."""
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    assert Bucket("az://container/x").place == "az://container/x at http://127.0.0.1:10000"
    error = opening(monkeypatch, "az://container/x", AZURITE_BLOB_STORAGE_URL=TOLD)
    assert "AZURITE_BLOB_STORAGE_URL" in str(error)
