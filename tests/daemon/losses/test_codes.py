"""Every code is reached by something, and explained."""

from __future__ import annotations

import re
from pathlib import Path

from daemon.losses import Loss
from daemon.losses.codes import CODES
from daemon.losses.summary import Summary, merged
from events.aip.model import Kind

ROOT = Path(__file__).resolve().parents[3]
WHERE = ("daemon/losses", "daemon/target", "daemon/importing")


def test_every_code_is_given_somewhere_and_no_other() -> None:
    """A code that nothing gives would promise what is not looked for."""
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in WHERE
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "codes.py"
    )
    literals = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', text))
    composed = {f"added-{code}" for code in ("versions",)}
    assert CODES.keys() <= literals | composed, sorted(CODES.keys() - literals - composed)


def test_every_code_says_what_why_and_what_carries_it() -> None:
    """In words that stand in a sentence: no full stop, no capital that begins it."""
    for code, told in CODES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        for words in told:
            assert words.strip(), code
            assert not words.endswith("."), code
    assert len({told.title for told in CODES.values()}) == len(CODES)


def test_a_summary_counts_objects_and_rows_without_keeping_them() -> None:
    """Adding one after the other, or one summary to another, comes to the same."""
    losses = [Loss(f"uuid-{number}", Kind.ITEM, None, "dois", number) for number in range(1, 4)]
    losses.append(Loss("uuid-1", Kind.ITEM, "1/2", "versions", 5))
    whole = Summary(losses)
    parts = Summary(losses[:2]) + losses[2:3]
    parts += Summary(losses[3:])
    assert whole.told() == parts.told()
    assert [(line["code"], line["objects"], line["rows"]) for line in whole.told()] == [
        ("dois", 3, 6),
        ("versions", 1, 5),
    ]
    assert len(whole) == 11
    assert whole.lines["dois"].example == losses[0]
    assert whole
    assert not Summary()


def test_losses_of_one_object_and_code_are_one() -> None:
    """With the rows of all, as the books have one row for each."""
    one = Loss("u", Kind.ITEM, None, "security", 1, "first")
    assert merged([one, one._replace(detail="second"), one._replace(code="format")]) == [
        one._replace(rows=2),
        one._replace(code="format"),
    ]
