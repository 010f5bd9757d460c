"""``tidemark doctor``: looks at everything a platform needs, and says what to do."""

import sys
from typing import Annotated

import typer

#: Wide enough that hardly a line is folded where no terminal says how wide it is.
_FILE_WIDTH = 240


def doctor(
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help='One JSON object: {"state": …, "findings": [{"check", "state", "found", "todo"}]}.'
        ),
    ] = False,
) -> None:
    """Check servers, topics, bucket, folders, clocks, lag, checkpoints and parts; say what to do. Only reads.

    Exit codes: 0 nothing has failed, warnings or not; 1 something has; 2 wrong usage or settings.
    """
    import msgspec
    from rich.console import Console

    from operations.doctor.app import examine
    from operations.doctor.table import table
    from tidemark.settings import load_settings

    found = examine(load_settings())
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        console = Console() if sys.stdout.isatty() else Console(width=_FILE_WIDTH)
        console.print(table(found), highlight=False)
    raise typer.Exit(int(found.state == "failed"))
