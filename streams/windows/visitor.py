"""One visitor of a site in a partition: where they were last seen, so that no window counts them twice."""

from msgspec import Struct

#: A pane before all others: there was no event yet.
NO_PANE = -(2**62)


class Visitor(Struct, gc=False, eq=False):
    """One visitor of a site. ``pane`` and ``country_panes`` tell the last closed pane with an event (in a country).

    ``page_views`` are those in the open 5 min window, ``listed`` whether the window knows the visitor; ``visits`` is
    how many visits refer to this object.
    """

    name: str
    pane: int = NO_PANE
    country: str = ""
    country_pane: int = NO_PANE
    other_countries: dict[str, int] | None = None
    page_views: int = 0
    listed: bool = False
    visits: int = 0

    def country_seen(self, country: str) -> int:
        """Return the last closed pane with an event of the visitor in the country."""
        if self.country == country:
            return self.country_pane
        return (self.other_countries or {}).get(country, NO_PANE)

    def move(self, country: str, end: int) -> int:
        """Note an event in the country in the pane that ends at ``end``; return where the last one was."""
        if self.country == country or not self.country:
            before, self.country, self.country_pane = self.country_pane, country, end
            return before
        before = self.country_seen(country)
        self.other_countries = {**(self.other_countries or {}), country: end}
        return before
