"""What is held of an event until its pane closes: all that the windows need of it, and nothing else.

The rest of an event is let go as soon as it is decoded: a second of whole events would outgrow the processor's caches,
and reading them again from memory would cost more than all that is done with them.
"""

from sys import intern

from mypy_extensions import mypyc_attr

from tidemark.events import CONVERSION, PAGE_VIEW, Event

#: Descriptions are cut at so many characters, so that no result outgrows a record: names, and urls.
NAME_LENGTH = 64
URL_LENGTH = 2000

#: A held event's fields, in their order.
Fields = tuple[int, str, str, str | None, str | None, str | None, str | None, str | None, int]


@mypyc_attr(acyclic=True)
class Held:
    """Time (ms), id in lower case, type, url (of a PAGE_VIEW), …, revenue (10⁻⁶, of a CONVERSION) of an event."""

    def __init__(
        self,
        time: int,
        event_id: str,
        kind: str,
        url: str | None,
        referrer: str | None,
        country: str | None,
        device_type: str | None,
        browser: str | None,
        revenue_micros: int,
    ) -> None:
        self.time = time
        self.event_id = event_id
        self.kind = kind
        self.url = url
        self.referrer = referrer
        self.country = country
        self.device_type = device_type
        self.browser = browser
        self.revenue_micros = revenue_micros

    def order(self) -> tuple[int, str]:
        """Return what events are applied in the order of: the time, then the id, of which there is one each."""
        return self.time, self.event_id

    def fields(self) -> Fields:
        """Return what an equal one is made of."""
        return (
            self.time,
            self.event_id,
            self.kind,
            self.url,
            self.referrer,
            self.country,
            self.device_type,
            self.browser,
            self.revenue_micros,
        )


def held(event: Event) -> Held:
    """Return what the windows need of an event; strings that come again and again stand in memory once."""
    kind = intern(event.event_type)
    page, data = event.page_view_data, event.session_data
    url = referrer = country = device_type = browser = None
    if page is not None:
        referrer = page.referrer
        if referrer:
            referrer = intern(referrer if len(referrer) <= URL_LENGTH else referrer[:URL_LENGTH])
        if kind == PAGE_VIEW and page.url is not None:
            url = intern(page.url)
    if data is not None:
        country, device_type, browser = data.country, data.device_type, data.browser
        if country:
            country = intern(country if len(country) <= NAME_LENGTH else country[:NAME_LENGTH])
        if device_type:
            device_type = intern(device_type if len(device_type) <= NAME_LENGTH else device_type[:NAME_LENGTH])
        if browser:
            browser = intern(browser if len(browser) <= NAME_LENGTH else browser[:NAME_LENGTH])
    return Held(
        event.timestamp,
        event.event_id.lower(),
        kind,
        url,
        referrer or None,
        country or None,
        device_type or None,
        browser or None,
        event.revenue_micros if kind == CONVERSION else 0,
    )
