"""The optional lane: the container files where an engine runs. Without one it is left out, and says so."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[2] / "ops" / "containers"


def engine() -> bool:
    """Whether a container engine answers."""
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not engine(), reason="optional lane: no container engine answers on this machine")


def test_the_services_replicate_the_sample() -> None:
    """Built, started, and the two repositories are equal; then everything is taken down."""
    from testcontainers.compose import DockerCompose

    with DockerCompose(FILES, compose_file_name="compose.yaml", build=True, wait=True) as compose:
        out, err, code = compose.exec_in_container(["aipstream", "verify", "--wait", "300", "--json"], "aipstream")
        assert code == 0, (out, err)
        verified = json.loads(out)
        assert verified["equal"]
        assert verified["compared"]["item"] > 0
