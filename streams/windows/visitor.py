"""One visitor of a site in a partition: where they were last seen, so that no window counts them twice."""

from typing import Final

from mypy_extensions import mypyc_attr

#: A pane before all others: there was no event yet.
NO_PANE: Final = -(2**62)


@mypyc_attr(acyclic=True)
class Visitor:
    """One visitor of a site. ``pane`` and ``country_panes`` tell the last closed pane with an event (in a country).

    ``page_views`` are those in the open 5 min window, ``listed`` whether the window knows the visitor; ``visits`` is
    how many visits refer to this object.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.pane = NO_PANE
        self.country = ""
        self.country_pane = NO_PANE
        self.other_countries: dict[str, int] | None = None
        self.page_views = 0
        self.listed = False
        self.visits = 0

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
