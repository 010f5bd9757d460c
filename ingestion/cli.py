"""``tidemark ingest`` takes events over HTTP; ``tidemark keys`` says who may send a site's."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemark.events import MAX_SITE_LENGTH
from tidemark.settings import load_settings

if TYPE_CHECKING:
    from ingestion.keys import Key

keys = typer.Typer(help="Write keys: who may send a site's events. A running door takes up changes within a second.")

SiteOption = Annotated[str, typer.Option(help="The site, 1 to 64 characters.")]


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    app.command("ingest")(ingest)
    app.add_typer(keys, name="keys", no_args_is_help=True)


def ingest(context: typer.Context) -> None:
    """Take events over HTTP until SIGTERM or Ctrl-C; each is on Kafka, or on disk, before it is accepted."""
    settings = load_settings()
    with _plain_errors("ingest"):
        # Workers share a port: granian would share it with another door too.
        socket.create_server((settings.ingestion_host, settings.ingestion_port)).close()
        _share_metrics(settings.ingestion_folder / "metrics")

        from ingestion.app import run_door

        run_door(settings, json_logs=bool(context.find_root().params["json"]))


def _share_metrics(folder: Path) -> None:
    """Have the workers' metrics added up in an empty folder; prometheus_client looks when it is imported."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


@keys.command()
def create(site: SiteOption) -> None:
    """Make a key and print it, once: only its hash is kept. From now on the site takes events with a key only."""
    from ingestion.keys import make_key

    text, key = make_key(_checked(site), _now())
    with _changing() as known:
        known.append(key)
    typer.echo(text)


@keys.command()
def rotate(
    site: SiteOption,
    hours: Annotated[float, typer.Option(min=0, help="For so long the site's present keys are valid too.")] = 24,
) -> None:
    """Make a new key and print it; the site's present ones end."""
    from ingestion.keys import make_key, rotated

    now = _now()
    text, key = make_key(_checked(site), now)
    with _changing() as known:
        known[:] = [*rotated(known, site, now + round(hours * 3_600_000)), key]
    typer.echo(text)


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, as `tidemark keys list` shows it.")]) -> None:
    """End a key at once; a site's last one leaves the site closed."""
    from ingestion.keys import revoked

    with _changing() as known:
        try:
            known[:] = revoked(known, key_id, _now())
        except KeyError:
            raise typer.BadParameter(f"there is no key {key_id}", param_hint="KEY_ID") from None


@keys.command("list")
def show() -> None:
    """Show the keys, but for their texts."""
    from rich.console import Console
    from rich.table import Table

    from ingestion.key_file import read_keys
    from tidemark.times import iso

    now = _now()
    table = Table("id", "site", "created", "ends", "state")
    with _plain_errors("keys"):
        for key in read_keys(_path()):
            end = key.revoked_at or key.expires_at
            state = "valid" if key.valid(now) else "over"
            table.add_row(key.id, key.site, iso(key.created_at), "" if end is None else iso(end), state)
    Console().print(table)


@contextmanager
def _changing() -> "Iterator[list[Key]]":
    """Hand out the keys to be changed."""
    from ingestion.key_file import changing

    with _plain_errors("keys"), changing(_path()) as known:
        yield known


@contextmanager
def _plain_errors(command: str) -> Iterator[None]:
    """Show which file or port cannot be used as a plain line, exit code 1."""
    from maxminddb import InvalidDatabaseError

    from ingestion.key_file import KeyFileError

    try:
        yield
    except (KeyFileError, InvalidDatabaseError, OSError) as error:
        typer.echo(f"tidemark {command}: {error}", err=True)
        raise typer.Exit(1) from None


def _path() -> Path:
    from ingestion.key_file import KEYS_FILE

    return load_settings().ingestion_folder / KEYS_FILE


def _checked(site: str) -> str:
    if not 1 <= len(site) <= MAX_SITE_LENGTH:
        raise typer.BadParameter(f"expected 1 to {MAX_SITE_LENGTH} characters, got {len(site)}", param_hint="--site")
    return site


def _now() -> int:
    return time.time_ns() // 1_000_000
