"""Looks whether this machine has what the local stack's servers are started with, where it is used."""

from collections.abc import Callable, Iterator

from operations.doctor.findings import Finding, ok, warning
from tidemark.settings import Settings

#: What is missing here to start the settings' servers, with its remedy; None if they are not started here.
MissingTools = Callable[[Settings], list[str] | None]


def tools(settings: Settings, missing_tools: MissingTools) -> Iterator[Finding]:
    """Yield a finding for each tool that is missing, one if there is none."""
    missing = missing_tools(settings)
    if missing is None:
        yield ok("tools", "none are needed: the servers are not started here")
    elif not missing:
        yield ok("tools", "Java, and Maven and Go or what they fetch, are there for the local stack")
    for each in missing or ():
        yield warning("tools", each, "do so before: tidemark stack up --detach")
