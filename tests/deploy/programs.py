"""Programs that check what is deployed, built once by Go into the cache that the servers' programs are in."""

from functools import partial
from pathlib import Path

from deploy.local.fetch import go_install, made_once
from tests.conftest import CACHE


def compose_spec() -> Path:
    """Return the Compose Specification's own command, of the library that `docker compose config` is made of."""
    return _built("compose-go-2.16.2", "github.com/compose-spec/compose-go/v2/cmd@v2.16.2") / "cmd"


def helm() -> Path:
    """Return the command that renders and installs charts; built so, it takes itself for one of Kubernetes 1.20."""
    return _built("helm-3.19.5", "helm.sh/helm/v3/cmd/helm@v3.19.5") / "helm"


def _built(name: str, package: str) -> Path:
    return made_once(CACHE / name, partial(go_install, package), f"building {name} (once)", print)


if __name__ == "__main__":  # before the tests ask for them: the first time Go takes minutes
    compose_spec()
    helm()
