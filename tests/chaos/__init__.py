"""Accidents: kills, restarts, damage, full disks, orphans, edits behind our back. In the end both ends are the same."""

import pytest

pytest.register_assert_rewrite("tests.chaos.wreck", "tests.daemon.cli.place")
