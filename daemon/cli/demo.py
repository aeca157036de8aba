"""`aipstream demo`: the main job from end to end."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Demo."""
