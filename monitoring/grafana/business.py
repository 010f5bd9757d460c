"""The dashboard of the web sites' own numbers, from what the sink has written to InfluxDB: finals, visits, alerts."""

from monitoring.grafana import flux
from monitoring.grafana.model import Dashboard, Flux, Kind, Panel, Row, Unit
from tidemark.counts import EVENTS_AT_THE_DOOR
from tidemark.results import (
    ACTIVE_USERS,
    AVERAGE_SESSION_DURATION,
    BOUNCE_RATE,
    CONVERSION_RATE,
    EVENTS_BY_OUTCOME,
    GEOGRAPHIC_DISTRIBUTION,
    PAGE_VIEWS_PER_SECOND,
    POPULAR_CONTENT,
    REVENUE_PER_USER,
)

#: Title, measurement, unit, description.
_NUMBERS: tuple[tuple[str, str, Unit, str], ...] = (
    ("Page views", PAGE_VIEWS_PER_SECOND, "ops", "Page views a second, in windows of 5 s."),
    ("Active users", ACTIVE_USERS, "short", "Distinct visitors with any event, in windows of 5 s."),
    ("Bounce rate", BOUNCE_RATE, "percent", "Of the visits with an event in 5 s, the share with one page view so far."),
    ("Visit length", AVERAGE_SESSION_DURATION, "s", "Mean length so far of the visits with an event in 5 s."),
    ("Conversion rate", CONVERSION_RATE, "percent", "Of the visits with an event in 60 s, the share that converted."),
    ("Revenue a user", REVENUE_PER_USER, "short", "Value of the conversions in 60 s / distinct visitors."),
)


def _newest(title: str, measurement: str, unit: Unit, description: str) -> Panel:
    return Panel(
        title=f"{title}, newest",
        description=f"{description} The newest final of each site.",
        unit=unit,
        kind="stat",
        width=4,
        height=4,
        queries=(Flux(flux.newest(measurement)),),
        label="site",
    )


def _over_time(title: str, measurement: str, unit: Unit, description: str) -> Panel:
    return Panel(
        title=title,
        description=f"{description} Finals, averaged where there are more than can be drawn.",
        unit=unit,
        queries=(Flux(flux.means(measurement)),),
        label="site",
    )


def _visits(title: str, name: str, description: str) -> Panel:
    return _bars(title, flux.counts("sessions", name), description)


def _bars(title: str, query: str, description: str, kind: Kind = "bargauge") -> Panel:
    return Panel(title=title, description=description, unit="short", kind=kind, queries=(Flux(query),))


_VISITS = Row(
    "Visits that are over",
    (
        _visits("Behaviour", "behaviour", "Visits that ended in the time shown, by what they were."),
        _visits(
            "How far they came", "funnel_step", "Visits by how many of the funnel's steps they reached, 0 for none."
        ),
        _visits("Devices", "device_type", "Visits by the kind of device."),
        _visits("Entry pages", "entry_page", "Visits by the page at which they began."),
        _visits("Exit pages", "exit_page", "Visits by the page at which they ended."),
        Panel(
            title="Revenue",
            description="Value of the conversions of visits that are over, by site, at the time the visit ended; "
            "in the sites' currency.",
            unit="short",
            stacked=True,
            queries=(Flux(flux.sums("sessions", "revenue", "site")),),
            label="site",
        ),
    ),
)

_CONTENT = Row(
    "Content, countries, events",
    (
        _bars(
            "Popular content",
            flux.busiest(POPULAR_CONTENT, "url", "views"),
            "Page views of a page in its busiest minute, of the pages that were among the ten first of a minute.",
            kind="table",
        ),
        _bars(
            "Countries",
            flux.total(GEOGRAPHIC_DISTRIBUTION, "visitors", "country", "max"),
            "Distinct visitors from a country in its busiest minute.",
        ),
        Panel(
            title="Where the events went",
            description="Events by what became of them in the streams: accepted, duplicate, late, or why they were "
            "invalid.",
            unit="short",
            stacked=True,
            queries=(Flux(flux.sums(EVENTS_BY_OUTCOME, "events", "outcome")),),
            label="outcome",
        ),
        _bars(
            "At the HTTP door",
            flux.total(EVENTS_AT_THE_DOOR, "events", "outcome"),
            "Events that the door was sent in the time shown: accepted, bot, or why they were refused. "
            "Those without a site are shown with all sites only.",
        ),
        Panel(
            title="Alerts about the sites",
            description="The newest alerts of the streams, at most 50.",
            unit="string",
            kind="table",
            width=16,
            minimum=None,
            queries=(
                Flux(
                    flux.table("alerts", ("_time", "site", "alert_type", "severity", "title", "description", "user_id"))
                ),
            ),
            empty="none",
        ),
    ),
)

BUSINESS = Dashboard(
    "business",
    "business metrics",
    "What the web sites' visitors do: exact, for only windows that are final are here.",
    (
        Row("Now", tuple(_newest(*number) for number in _NUMBERS)),
        Row("Over time", tuple(_over_time(*number) for number in _NUMBERS)),
        _VISITS,
        _CONTENT,
    ),
    minutes=60,
)
