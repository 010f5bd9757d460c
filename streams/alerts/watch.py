"""One rule's eye on one site: what it remembers of the windows, whether it has fired, and the alerts it makes. Pure."""

from msgspec import Struct, field

from streams.alerts.rule import Reading, Rule, Verdict
from streams.alerts.unusual import STEP_MS
from streams.windows.session import stable_id
from tidemark.results import Alert, MetricUpdate


class Watch(Struct):
    """``seen``: the end of the last window it took (ms). ``history``: the last values, oldest first.

    ``since``: the end of the first window of the present unbroken run, of breaches or, once it has ``fired``, of clear
    windows; None when there is none.
    """

    seen: int | None = None
    since: int | None = None
    fired: bool = False
    history: list[float] = field(default_factory=list)

    def take(self, rule: Rule, update: MetricUpdate) -> Alert | None:
        """Take a final; return the alert that it sets off. One that was seen already, or is older, changes nothing.

        After windows that are missing the site was quiet for half an hour: all that was before is forgotten.
        """
        if self.seen is not None and update.window_end <= self.seen:
            return None
        if self.seen is None or update.window_end - self.seen > STEP_MS[rule.judged]:
            self.since, self.fired, self.history = None, False, []
        self.seen = update.window_end
        reading = rule.read(update)
        alert = None
        if self._turns(rule, Verdict.NEITHER if reading is None else rule.judge(reading, self.history)):
            self.fired = not self.fired
            if self.fired and reading is not None:
                alert = self._alert(rule, update, reading)
            self.since = None
        if reading is not None and rule.remembered:
            self.history.append(reading.value)
            del self.history[: -rule.remembered]
        return alert

    def _turns(self, rule: Rule, verdict: Verdict) -> bool:
        """Say whether the present run is long enough to fire, or to be armed again."""
        if verdict is not (Verdict.CLEAR if self.fired else Verdict.BREACH):
            self.since = None
            return False
        assert self.seen is not None
        if self.since is None:
            self.since = self.seen
        return self.seen - self.since >= (rule.rearm if self.fired else rule.hold)

    def _alert(self, rule: Rule, update: MetricUpdate, reading: Reading) -> Alert:
        assert self.since is not None
        kind = str(rule.__struct_config__.tag).upper()
        end = update.window_end
        start = self.since - (end - update.window_start)
        held = f" for {(end - start) // 1_000} s" if rule.hold else ""
        return Alert(
            alert_id=stable_id(kind, rule.name, update.site_id, str(end)),
            alert_type=kind,
            severity=rule.severity,
            title=rule.title,
            description=f"{update.site_id}: {rule.says(reading, self.history)}{held} [{rule.name}]",
            site_id=update.site_id,
            user_id="",
            window_start=start,
            window_end=end,
            timestamp=end,
        )
