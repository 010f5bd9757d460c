"""The cache: a program is there whole or not at all, and is fetched once, however many ask for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.fetch import fetch_influxdb, fetch_kafka, made_once

# Each process adds a line to "made" when it is the one that makes the folder.
_MAKE = """
import sys, time
from pathlib import Path
from deploy.local.fetch import made_once
cache = Path(sys.argv[1])
def make(folder):
    (folder / "first").touch()
    with (cache / "made").open("a") as made:
        made.write("made\\n")
    time.sleep(0.3)
    (folder / "second").touch()
target = made_once(cache / "program", make, "fetching", lambda text: None)
sys.exit(not ((target / "first").exists() and (target / "second").exists()))
"""


def test_processes_that_fetch_at_once_make_it_once_and_all_get_it_whole(tmp_path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", _MAKE, str(tmp_path)]) for _ in range(4)]
    assert [child.wait(60) for child in children] == [0, 0, 0, 0]
    assert (tmp_path / "made").read_text() == "made\n"


def test_a_fetch_that_fails_leaves_nothing_that_could_be_taken_for_a_program(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise StackError("the network is away")

    with pytest.raises(StackError):
        made_once(tmp_path / "program", fail, "fetching", lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["program.lock"]


def test_what_a_killed_fetch_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "program.part-killed").mkdir()
    made_once(tmp_path / "program", lambda folder: (folder / "whole").touch(), "fetching", lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program", "program.lock"]


@pytest.mark.parametrize(("tool", "fetch"), [("mvn", fetch_kafka), ("go", fetch_influxdb)])
def test_the_tool_s_own_words_are_shown(
    tool: str, fetch: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / tool
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'cannot find the host'\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert callable(fetch)
    with pytest.raises(StackError, match=rf"{tool} failed with exit code 7(.|\n)*cannot find the host"):
        fetch(tmp_path / "cache", lambda _: None)
    assert not list((tmp_path / "cache").glob("*-1.8.10")) + list((tmp_path / "cache").glob("kafka-4.1.1"))
