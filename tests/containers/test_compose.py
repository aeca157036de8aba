"""The optional lane: the container files where an engine runs. Without one it is left out, and says so."""

from __future__ import annotations

import json

from tests.containers.engine import FILES, needs_engine

pytestmark = needs_engine


def test_the_services_replicate_the_sample() -> None:
    """Built, started, and the two repositories are equal; then everything is taken down."""
    from testcontainers.compose import DockerCompose

    with DockerCompose(FILES, compose_file_name="compose.yaml", build=True, wait=True) as compose:
        out, err, code = compose.exec_in_container(["aipstream", "verify", "--wait", "300", "--json"], "aipstream")
        assert code == 0, (out, err)
        verified = json.loads(out)
        assert verified["equal"]
        assert verified["compared"]["item"] > 0
