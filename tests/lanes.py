"""Which tests run one after the other on one worker of pytest-xdist: those of one version of a real DSpace, and those
of a real Kafka and of the real S3 server.

They share homes, or a server, that take many seconds to make; the lanes together keep the workers busy. That of a
version is read from the test's parameters. (The marker `xdist_group` would say the same, but pytest-xdist 3.8 loses it
on pytest 9.2.)
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

REAL = re.compile(r"(?:^|/)real/[^\[]*\[[^\]]*?(\d+(?:\.\d+)+)")


SERVER = re.compile(r"(?:^|/)real/(kafka|s3)/")


def lane(nodeid: str) -> str | None:
    """The version that this test is about, the server that it uses, or None: then it may run anywhere.

    >>> lane("tests/real/test_replication.py::test_a[to 8.2 by poll]")
    '8.2'
    """
    found = SERVER.search(nodeid) or REAL.search(nodeid)
    return found.group(1) if found else None


class Lanes(LoadGroupScheduling):
    """pytest-xdist's own schedule by groups, with the lanes as further groups."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = lane(nodeid) or super()._split_scope(nodeid)
        return scope


def make_scheduler(config: pytest.Config, log: Any) -> Lanes | None:
    """For pytest-xdist's hook of this name; None leaves the choice to it."""
    return Lanes(config, log) if config.getvalue("dist") == "loadgroup" else None
