"""The pages that are made from the code are in step with it."""

from __future__ import annotations

import pytest

from daemon.config import SECTIONS
from ops import docs


def test_no_page_is_stale() -> None:
    """`python -m ops.docs` would change nothing."""
    assert docs.stale() == []


@pytest.mark.parametrize(("path", "command"), list(docs.commands(docs.aipstream)), ids=str)
def test_every_verb_and_option_is_told(path: str, command: docs.click.Command) -> None:
    """In docs/verbs.md, below its own heading."""
    page = (docs.DOCS / "verbs.md").read_text()
    _, _, after = page.partition(f"\n## {path}\n")
    section = after.partition("\n## ")[0]
    assert section
    for option in command.params:
        for name in option.opts if isinstance(option, docs.click.Option) else ():
            assert f"`{name}`" in section


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_the_configuration_is_told(section: str) -> None:
    """With its default and its variable."""
    page = (docs.DOCS / "configuration.md").read_text().partition(f"\n## [{section}]\n")[2].partition("\n## ")[0]
    for key in SECTIONS[section].__struct_fields__:
        assert f"| `{key}` |" in page
        assert f"`AIPSTREAM_{section}_{key}`".upper() in page


def test_every_error_class_is_in_the_table_of_exit_codes() -> None:
    """Under its own code; the README tells every code that an error can end with."""
    page = (docs.DOCS / "exit-codes.md").read_text()
    for kind in docs.error_classes():
        assert f"| **{kind.exit_code}** | `{kind.__name__}` |" in page
        assert kind.__doc__
        assert kind.hint.endswith((".", ")"))
    told = (docs.DOCS.parent / "README.md").read_text().partition("## Exit codes")[2]
    for code in {kind.exit_code for kind in docs.error_classes()} - {130}:
        assert f"{code} " in told
