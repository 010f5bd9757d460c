"""Reads the Dockerfile and .dockerignore as Docker does, as far as ours use their language."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct


class Step(Struct, frozen=True):
    """An instruction in its stage; continued lines are one text."""

    stage: str
    verb: str
    text: str


def read_steps(dockerfile: Path) -> list[Step]:
    """Return all steps; the last stage, which has no name, is ``""``."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    steps: list[Step] = []
    stage = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        verb, _, rest = line.partition(" ")
        if verb == "FROM":
            stage = rest.partition(" AS ")[2]
        steps.append(Step(stage, verb, re.sub(r"\s+", " ", rest)))
    return steps


def context(root: Path) -> Iterator[Path]:
    """Yield the files that Docker is sent, relative to the root. What is in an ignored folder is ignored."""
    rules = [_rule(line) for line in (root / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not _ignored(here / name, rules)]
        yield from (here / name for name in files if not _ignored(here / name, rules))


def _rule(line: str) -> tuple[bool, re.Pattern[str]]:
    pattern = line.removeprefix("!")
    parts = re.split(r"(\*\*/|\*)", pattern)
    made = "".join({"**/": "(?:.*/)?", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
    return line.startswith("!"), re.compile(made + "(?:/.*)?")


def _ignored(path: Path, rules: list[tuple[bool, re.Pattern[str]]]) -> bool:
    found = [kept for kept, pattern in rules if pattern.fullmatch(path.as_posix())]
    return bool(found) and not found[-1]
