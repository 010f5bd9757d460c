"""The subcommands of this part."""

import typer


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
