"""compose.yaml as the Compose Specification's own library reads it."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.deploy.programs import compose_spec

FILE = ROOT / "deploy" / "compose.yaml"


@cache
def compose() -> dict[str, Any]:
    """Return it checked against the schema, with all defaults. Raises AssertionError with what is wrong."""
    return read(FILE)


def read(file: Path) -> dict[str, Any]:
    """Return a compose file checked against the schema. Raises AssertionError with what is wrong."""
    done = subprocess.run(
        [compose_spec(), "--format", "json", str(file)],
        cwd=FILE.parent,
        env={"COMPOSE_PROFILES": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read
