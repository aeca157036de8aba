"""Scratch servers find a port, whatever others do."""

from __future__ import annotations

import socket
from pathlib import Path

import psycopg2
import pytest

from daemon import scratch
from daemon.scratch import Cluster, free_port
from events.errors import PreconditionError


def test_a_port_is_not_one_of_those_for_outgoing_connections() -> None:
    """Such a one may be somebody's before its server listens."""
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(first <= free_port() <= last for _ in range(50))


def test_a_port_on_which_something_listens_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is taken; if there is none, that is said."""
    monkeypatch.setattr(scratch, "_first_outgoing", lambda: scratch.FIRST_PORT + 2)
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", free_port()))
        other.bind(("127.0.0.1", free_port()))
        assert {each.getsockname()[1] - scratch.FIRST_PORT for each in (one, other)} == {0, 1}
        with pytest.raises(PreconditionError, match="no port"):
            free_port()


def test_a_cluster_whose_port_is_taken_meanwhile_begins_on_another() -> None:
    """The first one is left to whoever has it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        cluster = Cluster()
        cluster.port = taken.getsockname()[1]
        with cluster:
            assert cluster.port != taken.getsockname()[1]
            psycopg2.connect(cluster.dsn("postgres")).close()
