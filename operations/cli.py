"""``tidemark ledger``, ``dead-letters`` and ``doctor``: where events went, what could not be used, what is wrong."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from operations.doctor import cli as operations_doctor
from operations.letters import Copy, Place, place_of, topic_of
from tidemark.events import FUTURE_TIMESTAMP, INVALID_FIELD, LATE, REFUSED, UNDECODABLE
from tidemark.settings import load_settings
from tidemark.times import parse_since

if TYPE_CHECKING:
    from operations.doctor.tools import MissingTools
    from operations.redriving import Outcome

REASONS = (UNDECODABLE, INVALID_FIELD, FUTURE_TIMESTAMP, LATE, REFUSED)
#: Wide enough that nothing is cut where no terminal says how wide it is.
_FILE_WIDTH = 240


def _reason(text: str) -> str:
    if text.upper() not in REASONS:
        raise typer.BadParameter(f"expected {', '.join(REASONS)}, got {text!r}")
    return text.upper()


def _topic(text: str) -> str:
    try:
        return topic_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _place(text: str) -> Place:
    try:
        return place_of([text])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _since(text: str) -> int:
    try:
        return parse_since(text, _now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _now() -> int:
    return time.time_ns() // 1_000_000


Reason = Annotated[str | None, typer.Option(parser=_reason, metavar="|".join(REASONS), help="Only of this reason.")]
TopicName = Annotated[
    str | None, typer.Option(parser=_topic, metavar="TOPIC", help="Only of records of this topic; `events` will do.")
]
Since = Annotated[
    int | None, typer.Option(parser=_since, metavar="ISO|1h", help="Only letters written since, or so long ago.")
]


def mount(app: typer.Typer, missing_tools: "MissingTools") -> None:
    """Add the subcommands to the ``tidemark`` command. ``missing_tools``: what the local stack's servers lack here."""
    letters = typer.Typer(help="Records that could not be used: which, why, and send them again.", no_args_is_help=True)
    letters.command("list")(list_letters)
    letters.command("show")(show)
    letters.command("redrive")(redrive)
    app.add_typer(letters, name="dead-letters")
    app.command("ledger")(show_ledger)
    operations_doctor.mount(app, missing_tools)


def list_letters(
    reason: Reason = None,
    topic: TopicName = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest.")] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, the totals by reason in the last one.")
    ] = False,
) -> None:
    """List the newest dead letters, and how many there are by reason."""
    import msgspec
    from rich.console import Console

    from operations import showing
    from operations.app import select

    with _plain_errors():
        selection = select(load_settings(), _wanted(reason, topic), since=since, limit=limit)
    if as_json:
        for copy in selection.newest_first():
            typer.echo(msgspec.json.encode(showing.row(copy, selection.redriven)))
        typer.echo(msgspec.json.encode({"totals": selection.totals}))
        return
    console = Console() if sys.stdout.isatty() else Console(width=_FILE_WIDTH)
    console.print(showing.table(selection))
    console.print(showing.totals(selection), highlight=False)


def show(
    record: Annotated[list[str], typer.Argument(metavar="TOPIC-PARTITION-OFFSET", help="Where the record was read.")],
) -> None:
    """Show one dead letter with its record; `events 3 1234` will do as well. Exit code 1: there is none."""
    try:
        place = place_of(record)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    from operations.app import select
    from operations.rules import refusal
    from operations.showing import details

    settings = load_settings()
    with _plain_errors():
        selection = select(settings, lambda copy: copy.place == place)
    if not (found := selection.newest_first()):
        typer.echo(f"tidemark dead-letters: there is none of {place}", err=True)
        raise typer.Exit(1)
    why = refusal(place, found[0].letter, now=_now(), lateness_ms=settings.lateness_ms)
    typer.echo(details(found[0], selection.redriven.get(place), why))


def show_ledger(
    site: Annotated[
        str | None, typer.Option(help="The site; without it all together, also what named no site.")
    ] = None,
    since: Annotated[
        int | None, typer.Option(parser=_since, metavar="ISO|1h", help="From then on, or so long ago; default: 1h.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say where the events went: what the HTTP door was sent, and what became of it in the streams."""
    import msgspec
    from rich.console import Console

    from operations.app import ledger_of
    from operations.ledger_table import rendered
    from tidemark.flux import NoAnswerError

    try:
        told = ledger_of(load_settings(), site, _since("1h") if since is None else since)
    except NoAnswerError as error:
        typer.echo(f"tidemark ledger: InfluxDB does not answer: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(msgspec.json.encode(told))
    else:
        Console().print(rendered(told), highlight=False)


def redrive(
    reason: Reason = None,
    topic: TopicName = None,
    since: Since = None,
    ids: Annotated[
        list[Place] | None, typer.Option("--id", parser=_place, metavar="TOPIC-PARTITION-OFFSET", help="Only these.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal.")] = False,
) -> None:
    """Send records to the topics they were read from again: those that can be used now, once each.

    Exit codes: 0 all were sent, now or earlier; 1 one was refused, failed or is not there; 2 wrong usage.
    """
    if not any((reason, topic, since is not None, ids)):
        raise typer.BadParameter("expected --id, --reason, --topic or --since: which ones?")
    from operations.app import redriver, select
    from operations.rules import refusal

    settings = load_settings()
    with _plain_errors():
        selection = select(settings, _wanted(reason, topic, ids), since=since)
    to_send, refused = [], len(_absent(ids, selection.newest_first()))
    for copy in reversed(selection.newest_first()):
        if copy.place in selection.redriven:
            _say("earlier", copy.place, f"→ {selection.redriven[copy.place]}")
        elif why := refusal(copy.place, copy.letter, now=_now(), lateness_ms=settings.lateness_ms):
            refused += 1
            _say("refused", copy.place, why)
        else:
            to_send.append(copy)
    if dry_run or not to_send:
        for copy in to_send:
            _say("possible", copy.place)
        raise typer.Exit(int(refused > 0))
    if sys.stdin.isatty() and not yes:
        typer.confirm(f"Send {len(to_send):,} again?", abort=True)
    failed = sum([_report(outcome) for outcome in redriver(settings).redrive(to_send)])
    raise typer.Exit(int(refused + failed > 0))


def _absent(ids: list[Place] | None, found: list[Copy]) -> set[Place]:
    absent = set(ids or ()) - {copy.place for copy in found}
    for place in sorted(absent):
        _say("refused", place, "there is no such letter among those asked for")
    return absent


def _report(outcome: "Outcome") -> bool:
    """Say what became of a letter; return whether anything failed."""
    if outcome.error is None:
        _say("sent", outcome.copy.place, f"→ {outcome.to}")
    else:
        _say("failed", outcome.copy.place, outcome.error)
    return outcome.error is not None


def _say(what: str, place: Place, text: str = "") -> None:
    from operations.showing import plain

    typer.echo(f"{what:<9}{plain(f'{place} {text}')}".rstrip())


def _wanted(reason: str | None, topic: str | None, ids: list[Place] | None = None) -> Callable[[Copy], bool]:
    places = set(ids or ())
    return lambda copy: (
        reason in (None, copy.letter.reason)
        and topic in (None, copy.place.topic)
        and (not places or copy.place in places)
    )


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show what Kafka says as a plain line, exit code 1."""
    from confluent_kafka import KafkaException

    try:
        yield
    except KafkaException as error:
        typer.echo(f"tidemark dead-letters: cannot be read: {error.args[0].str()}", err=True)
        raise typer.Exit(1) from None
