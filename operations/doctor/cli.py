"""``tidemark doctor``: looks at everything a platform needs, and says what to do."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from operations.doctor.tools import MissingTools

#: Wide enough that hardly a line is folded where no terminal says how wide it is.
_FILE_WIDTH = 240

Json = Annotated[bool, typer.Option("--json", help="One JSON object, as docs/doctor.md has it.")]


def mount(app: typer.Typer, missing_tools: "MissingTools") -> None:
    """Add the subcommand to the ``tidemark`` command. ``missing_tools``: what the local stack's servers lack here."""

    def doctor(as_json: Json = False) -> None:
        """Check servers, versions, rights, topics, bucket, folders, clocks, lag, checkpoints and parts. Only reads.

        Says what to do about each that is not well. Exit codes: 0 there is no problem, warnings or not; 1 there is;
        2 wrong usage or settings.
        """
        _doctor(missing_tools, as_json)

    app.command("doctor")(doctor)


def _doctor(missing_tools: "MissingTools", as_json: bool) -> None:
    import msgspec
    from rich.console import Console

    from operations.doctor.app import examine
    from operations.doctor.table import table
    from tidemark.settings import load_settings

    found = examine(load_settings(), missing_tools)
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        console = Console() if sys.stdout.isatty() else Console(width=_FILE_WIDTH)
        console.print(table(found), highlight=False)
    raise typer.Exit(int(found.level == "problem"))
