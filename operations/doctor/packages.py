"""Looks whether the Python packages here are those that Tidemark is locked to, or else at least asks for."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from operations.doctor.findings import Finding, ok, warning

#: Beside the sources; an installation from a wheel has none.
LOCK = Path(__file__).parents[2] / "requirements.lock"
_MOST_NAMED = 3


def packages(lock: Path = LOCK) -> Iterator[Finding]:
    """Yield whether each package is there in its version."""
    locked = lock.exists()
    wanted = list(_locked(lock) if locked else _asked_for())
    whose = lock.name if locked else "what Tidemark asks for"
    wrong = [text for each in wanted if (text := _wrong(each)) is not None]
    if not wrong:
        yield ok("packages", f"Tidemark {version('tidemark')}, {len(wanted)} packages as in {whose}")
        return
    more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
    todo = "make setup" if locked else "install Tidemark anew"
    yield warning("packages", f"not as in {whose}: {', '.join(wrong[:_MOST_NAMED])}{more}", todo)


def _locked(lock: Path) -> Iterator[Requirement]:
    for line in lock.read_text().splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            yield Requirement(line.removesuffix("\\").strip())


def _asked_for() -> Iterator[Requirement]:
    for each in map(Requirement, requires("tidemark") or ()):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            yield each


def _wrong(wanted: Requirement) -> str | None:
    try:
        there = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is missing"
    if wanted.specifier.contains(there, prereleases=True):
        return None
    return f"{wanted.name} {there} instead of {wanted.specifier}"
