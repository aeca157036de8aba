"""The program in docs/blobs.md that reads an encrypted blob without aipstream."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from events.blobs import Keys, open_blobs
from tests.events.blobs.sealed.keyed import ONE, ONE_PUBLIC, OTHER_PUBLIC

PAGE = Path(__file__).resolve().parents[2] / "docs" / "blobs.md"


@pytest.mark.parametrize("size", [0, 5, 65_536, 200_000])
def test_the_page_is_enough_to_read_a_blob(tmp_path: Path, size: int) -> None:
    """With the private key and the blob's file alone, and nothing of ours imported."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    content = bytes(range(256)) * 800
    blobs = open_blobs(f"file://{tmp_path}/store", create=True, keys=Keys((OTHER_PUBLIC, ONE_PUBLIC)))
    name = blobs.put(io.BytesIO(content[:size])).sha256
    blobs.flush()
    (tmp_path / "recover.py").write_text(program)
    blob = tmp_path / "store" / name[:2] / name[2:4] / name
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "recover.py", ONE, blob], stdout=subprocess.PIPE, check=True
    )
    assert done.stdout == content[:size]
