"""Whether a container engine answers on this machine: without one this lane is left out, and says so."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[2] / "ops" / "containers"


@functools.cache
def answers() -> bool:
    """Whether `docker info` ends well."""
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


needs_engine = pytest.mark.skipif(not answers(), reason="optional lane: no container engine answers on this machine")
