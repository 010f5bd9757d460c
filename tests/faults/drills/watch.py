"""What Prometheus says of its alerts, asked each second: when which one began to fire, and what else fired."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.request import urlopen

from deploy.local.prometheus import prometheus_url
from tidemark.settings import Settings

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
#: Prometheus has scraped all parts and evaluated all rules by then.
QUIET_SECONDS = 20.0
STATES = ("firing", "pending")


class Stopped(Exception):
    """The drills end before their time."""


@dataclass(frozen=True)
class Alert:
    """An alert by its name and the labels that tell which one is meant."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def is_one(self, labels: Mapping[str, str]) -> bool:
        """Say whether these labels are of this alert."""
        return labels["alertname"] == self.name and self.labels.items() <= labels.items()


def named(labels: Mapping[str, str]) -> str:
    """Return an alert's name for a table, with what it is about."""
    about = [labels[label] for label in ("job", "stage") if label in labels]
    return f"{labels['alertname']} ({about[0]})" if about else labels["alertname"]


@dataclass(frozen=True)
class Look:
    """What an answer told: the moment (monotonic s) and the labels of the alerts that fire, or soon may."""

    when: float
    firing: list[dict[str, str]]
    pending: list[dict[str, str]]

    def has(self, alert: Alert) -> bool:
        """Say whether this alert fires."""
        return any(alert.is_one(labels) for labels in self.firing)

    def knows(self, alert: Alert) -> bool:
        """Say whether this alert fires or soon may."""
        return any(alert.is_one(labels) for labels in self.firing + self.pending)


class Watch:
    """Looks at the alerts each second, from its making to ``stop``, and remembers all looks."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{prometheus_url(settings)}api/v1/alerts"
        self._looks: list[Look] = []
        self._stopping = threading.Event()
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """End all looking and waiting: whoever waits gets Stopped."""
        self._stopping.set()

    def others(self, since: float, awaited: Sequence[Alert]) -> list[str]:
        """Return the names of the alerts that have fired since and are not awaited."""
        seen = [labels for look in self._since(since) for labels in look.firing]
        return sorted({named(labels) for labels in seen if not any(alert.is_one(labels) for alert in awaited)})

    def wait_until_quiet(self, alerts: Sequence[Alert], within_s: float) -> bool:
        """Return when for a while none of these has fired or been about to; say whether that was in time."""
        began = time.monotonic()

        def is_quiet(look: Look) -> bool:
            before = [each for each in self._since(began) if look.when - QUIET_SECONDS < each.when <= look.when]
            return look.when > began + QUIET_SECONDS and not any(each.knows(one) for each in before for one in alerts)

        return self._first(is_quiet, began, within_s) is not None

    def wait_until_firing(self, alert: Alert, since: float, within_s: float) -> float | None:
        """Return the first moment since then at which it fired; None if it did not so soon after it."""
        return self._first(lambda look: look.has(alert), since, within_s)

    def wait_until_resolved(self, alert: Alert, since: float, within_s: float) -> float | None:
        """Return the first moment since then at which it did not fire; None if it did for so long."""
        return self._first(lambda look: not look.has(alert), since, within_s)

    def _first(self, wanted: Callable[[Look], bool], since: float, within_s: float) -> float | None:
        while True:
            for look in self._since(since):
                if wanted(look):
                    return look.when
            if time.monotonic() > since + within_s:
                return None
            if self._stopping.wait(LOOK_SECONDS):
                raise Stopped

    def _since(self, moment: float) -> list[Look]:
        return [look for look in list(self._looks) if look.when > moment]

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                with urlopen(self._url, timeout=ANSWER_SECONDS) as answer:
                    alerts = json.load(answer)["data"]["alerts"]
            except OSError:
                continue  # it is busy; a later look tells
            told = {state: [one["labels"] for one in alerts if one["state"] == state] for state in STATES}
            self._looks.append(Look(time.monotonic(), told["firing"], told["pending"]))
