"""What came of several batches together."""

from __future__ import annotations

from daemon.target.applied import Applied
from tests.events.samples import uuid_of


def test_what_a_later_batch_finds_right_differs_no_more() -> None:
    """A batch may end between the events of one moment. What stays different is named once."""
    settled, stays, other = (uuid_of(number) for number in (1, 2, 3))
    done = Applied()
    done.add(Applied(written=2, differing=[settled, stays]))
    assert done.differing == [settled, stays]
    done.add(Applied(written=2, differing=[stays, other], right={settled}))
    assert (done.written, done.differing) == (4, [stays, other])
    done.add(Applied(written=1, right={settled}))
    assert done.differing == [stays, other]
