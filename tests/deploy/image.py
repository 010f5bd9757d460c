"""Follows the Dockerfile's steps in a plain folder, where no container engine is, and tells what they leave."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from deploy.local.fetch import made_once
from tests.conftest import CACHE, ROOT
from tests.deploy.dockerfile import Step, context, read_steps

#: Steps that need another system or that `make setup` has done: their beginnings, and who looks at them instead.
SET_ASIDE = (
    "apt-get ",  # test_the_compiler_is_installed
    "npm ci",  # node_modules are those of `make setup`
    "python -m venv /opt/build ",  # /opt/build is the .venv of `make setup`
    "pip wheel --require-hashes ",  # _wheels() runs it, once a lock
    "groupadd ",  # the folder is made by follow()
)
_VENV = ROOT / ".venv"


class Image:
    """What the last stage leaves: its files below ``root``, its environment and how it is started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {"PATH": f"{_VENV / 'bin'}:/usr/bin:/bin"}
        self.workdir = Path("/")
        self.entrypoint: list[str] = []
        self.user = ""
        self.ran: list[str] = []
        self.aside: list[str] = []

    def at(self, text: str, stage: str) -> str:
        """Return a text with the image's folders where they are here; each stage has a /build of its own."""
        text = re.sub(r"(?<![\w./-])/build\b", f"{self.root}/{stage}/build", text)
        return re.sub(r"(?<![\w./-])/(opt|var/lib/tidemark)\b", rf"{self.root}/\1", text)


def follow(root: Path) -> Image:
    """Make the image below ``root``. Raises CalledProcessError with the output of a step that fails."""
    image = Image(root)
    [fetching] = [step.text for step in read_steps(ROOT / "Dockerfile") if step.text.startswith("pip wheel --require")]
    (root / "wheel/build").mkdir(parents=True)
    (root / "wheel/build/wheels").symlink_to(_wheels(fetching) / "wheels")
    (root / "opt").mkdir()
    (root / "opt" / "build").symlink_to(_VENV)
    (root / "var/lib/tidemark").mkdir(parents=True)
    for step in read_steps(ROOT / "Dockerfile"):
        _STEPS[step.verb](image, step)
    return image


def _wheels(fetching: str) -> Path:
    """Return the folder in which that step was run for the lock as it is now, once: it asks the index 109 times."""
    lock = ROOT / "requirements.lock"

    def fetch(folder: Path) -> None:
        for old in CACHE.glob("image-wheels-*/"):
            if old != folder:
                shutil.rmtree(old)
        shutil.copy(lock, folder)
        program, *arguments = fetching.split()
        subprocess.run([_VENV / "bin" / program, *arguments], cwd=folder, check=True)

    name = f"image-wheels-{sys.version_info.minor}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    return made_once(CACHE / name, fetch, "fetching the image's libraries", print)


def _from(image: Image, step: Step) -> None:
    image.workdir = image.root / step.stage
    image.workdir.mkdir(exist_ok=True)


def _workdir(image: Image, step: Step) -> None:
    image.workdir = Path(image.at(step.text, step.stage))
    image.workdir.mkdir(parents=True, exist_ok=True)


def _copy(image: Image, step: Step) -> None:
    words = step.text.split()
    target = image.workdir / image.at(words[-1], step.stage)
    if words[0].startswith("--from="):
        source = Path(image.at(words[1], words[0].removeprefix("--from=")))
        if source != target:
            shutil.copytree(source, target, dirs_exist_ok=True)
        return
    files = list(context(ROOT))
    for word in words[:-1]:
        _copy_of_context(files, Path(word), target)
    if step.stage == "wheel" and words == [".", "."]:
        _take_over_compiled(target)
    if words[0] == "dashboard":
        # Files that are linked, in folders that are not: what a build writes beside them stays here.
        shutil.copytree(ROOT / "dashboard/node_modules", target / "node_modules", copy_function=os.link, symlinks=True)


def _copy_of_context(files: list[Path], source: Path, target: Path) -> None:
    found = [file for file in files if file.is_relative_to(source)]
    assert found, f"nothing of {source} is sent to Docker"
    for file in found:
        place = target / (file.name if file == source else file.relative_to(source))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, place)


def _take_over_compiled(build: Path) -> None:
    """Put what the C compiler made in `make setup`, some minutes of work, where the same sources find it up to date."""
    shutil.copytree(ROOT / "build", build / "build", ignore=shutil.ignore_patterns("temp.*", "lib.*", "bdist.*"))
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    made = build / "build" / f"lib.{sysconfig.get_platform()}-{sys.implementation.name}-{version}"
    for folder in (".", "tidemark", "streams/windows"):
        (made / folder).mkdir(parents=True, exist_ok=True)
        for module in (ROOT / folder).glob("*.so"):
            shutil.copy(module, made / folder)


def _run(image: Image, step: Step) -> None:
    if step.text.startswith(SET_ASIDE):
        image.aside.append(step.text)
        return
    command = ["sh", "-c", image.at(step.text, step.stage)]
    env = {"PATH": image.env["PATH"], "HOME": os.environ.get("HOME", "/")}
    subprocess.run(command, cwd=image.workdir, env=env, check=True, stdout=subprocess.DEVNULL)
    image.ran.append(step.text)


def _env(image: Image, step: Step) -> None:
    for word in shlex.split(step.text):
        name, _, value = word.partition("=")
        image.env[name] = image.at(value, step.stage).replace(f"${name}", image.env.get(name, ""))


def _user(image: Image, step: Step) -> None:
    image.user = step.text


def _entrypoint(image: Image, step: Step) -> None:
    image.entrypoint = json.loads(step.text)


def _nothing(_: Image, __: Step) -> None:
    """Says something to who runs the image, and changes nothing in it."""


_STEPS = {
    "FROM": _from,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "RUN": _run,
    "ENV": _env,
    "USER": _user,
    "ENTRYPOINT": _entrypoint,
    "CMD": _nothing,
    "EXPOSE": _nothing,
}
