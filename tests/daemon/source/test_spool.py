"""Touches wait in memory, then on disk, in order, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.source.spool import Chunk, Spool, SpoolFull


def chunk(number: int, values: int = 3) -> Chunk:
    return Chunk(number, number, number * 10, 0, {"object": [b"%036d" % n for n in range(values)]}, last=True)


@settings(deadline=None)
@given(st.lists(st.one_of(st.just("take"), st.integers(0, 40))), st.integers(0, 4000))
def test_what_goes_in_comes_out_in_order(steps: list[str | int], memory: int) -> None:
    """For any sequence of puts (of any size) and takes, with any bound of memory."""
    spool, expected, number = Spool(memory), [], 0
    for step in steps:
        if isinstance(step, str):
            assert spool.take() == (expected.pop(0) if expected else None)
        else:
            number += 1
            spool.put(chunk(number, step))
            expected.append(chunk(number, step))
    while expected:
        assert spool.take() == expected.pop(0)
    assert spool.empty
    assert spool.spilled == 0
    assert spool.take() is None
    spool.close()


def test_memory_is_bounded_and_the_file_is_cut_off_when_drained(tmp_path: Path) -> None:
    """Beyond the bound all goes to one unnamed file, which is gone when it has been read."""
    spool = Spool(10_000, tmp_path)
    for number in range(100):
        spool.put(chunk(number, 10))
    assert spool.spilled > 30_000
    assert not list(tmp_path.iterdir()), "a process that is killed leaves no file behind"
    assert [spool.take() for _ in range(100)] == [chunk(number, 10) for number in range(100)]
    assert spool.spilled == 0
    assert spool.empty
    spool.put(chunk(1))
    assert spool.spilled == 0, "memory is used again"
    spool.close()


def test_a_full_disk_is_a_named_error() -> None:
    """The reader stops with it; nothing was confirmed, so nothing is lost."""
    spool = Spool(0, Path("/nonexistent"))
    with pytest.raises(SpoolFull):
        spool.put(chunk(1))
