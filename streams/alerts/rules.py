"""The file of rules: TOML, one ``[[rules]]`` each, refused with the field that is wrong. Pure."""

import tomllib
from typing import Any

import msgspec
from msgspec import Struct

from streams.alerts.limits import BounceRate, FunnelStep, Threshold
from streams.alerts.rule import Duration
from streams.alerts.unusual import Anomaly, TrafficDrop, TrafficSpike
from tidemark.times import parse_duration

SiteRule = TrafficDrop | TrafficSpike | Anomaly | BounceRate | FunnelStep | Threshold


class RulesError(Exception):
    """A file of rules cannot be used; the text names the field."""


class _File(Struct, forbid_unknown_fields=True):
    rules: list[SiteRule]

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"expected a name of its own for each rule, got twice: {', '.join(twice)}")


def read_rules(text: str) -> list[SiteRule]:
    """Return the rules in their order. Raises RulesError."""
    try:
        return msgspec.convert(tomllib.loads(text), _File, dec_hook=_duration).rules
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RulesError(str(error)) from None


def _duration(kind: type, value: Any) -> Duration:
    assert kind is Duration
    if not isinstance(value, str):
        raise ValueError(f"expected a text such as 90s, 15m, 1h or 7d, got {value!r}")
    return Duration(parse_duration(value))
