"""`aipstream config`: the configuration that is in force, an example, a check."""

from __future__ import annotations

import click

from daemon.cli.output import json_option, show, table
from daemon.cli.session import Session, pass_session


@click.group()
def config() -> None:
    """Show, check or begin a configuration."""


@config.command(name="show")
@json_option
@pass_session
def show_config(session: Session, as_json: bool) -> None:
    """Print every key with its value and where it comes from: the file, a variable, or the default."""
    session.json = as_json
    from daemon.config import origins, sections
    from daemon.redaction import hidden

    values, places = session.config, origins(session.path)
    told: dict[str, dict[str, dict[str, object]]] = {}
    rows = []
    for name, section in sections(values).items():
        told[name] = {}
        for key in section.__struct_fields__:
            if (name, key) not in places:
                continue
            value, place = hidden(getattr(section, key)), places[name, key]
            if key == "password" and value:
                value = "***"
            told[name][key] = {"value": value, "from": place}
            rows.append((f"[{name}]", key, value if value != "" else '""', place))
    show(session, told, *table(("section", "key", "value", "from"), rows))


@config.command()
@json_option
@pass_session
def example(session: Session, as_json: bool) -> None:
    """Print a file to begin with."""
    session.json = as_json
    from daemon.config import EXAMPLE

    show(session, {"example": EXAMPLE}, EXAMPLE.rstrip())


@config.command()
@json_option
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Say whether the file can be read and every key is known. Connects to nothing."""
    session.json = as_json
    config = session.config
    sections = ["source"] if config.source is not None else []
    sections += [one.table.strip("[]") for one in config.each()]
    show(
        session,
        {"ok": True, "file": str(session.path), "sections": sections},
        f"{session.path}: good, with {' and '.join(f'[{name}]' for name in sections) or 'neither source nor target'}",
    )
