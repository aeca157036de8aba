"""A back end whose library is not installed."""

from __future__ import annotations

import sys

import pytest

from events.blobs import open_blobs
from events.errors import ConfigError


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket", "az://container"])
def test_what_to_install_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no part of what is always installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigError) as caught:
        open_blobs(url)
    assert caught.value.hint == "pip install aipstream[objectstore]"
