"""What a visit may be like: journeys through the shop, drawn once for a run, in decks that hold the mix exactly."""

from random import Random

from msgspec import Struct

from simulator import shop
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_END, SESSION_START

#: A visit's shape: its page views, and whether it converts (after /cart and /checkout).
Shape = tuple[int, bool]
#: Sixty visits that together hold the mix exactly: 280 page views, 60 starts, 40 ends, 20 conversions.
USUAL: tuple[Shape, ...] = (
    *(((1, False),) * 18 + ((2, False),) * 6 + ((5, False),) * 6 + ((8, False),) * 10),
    *(((6, True),) * 10 + ((8, True),) * 10),
)
#: The same sums with twice the bounces, so that a bounce spike does not change the mix.
BOUNCING: tuple[Shape, ...] = ((1, False),) * 36 + ((6, False),) * 4 + ((11, True),) * 20
ENDS = (True,) * 40 + (False,) * 20
VISITS_PER_DECK = 60
EVENTS_PER_DECK = 400
LONGEST_JOURNEY = max(pages + converts for pages, converts in USUAL + BOUNCING) + 2

#: A visit lasts so many seconds, less where the population is small for the rate.
SHORTEST_VISIT_S, LONGEST_VISIT_S = 20.0, 100.0


class Act(Struct, gc=False, frozen=True):
    """What a visitor does at one step of a journey; ``cents`` is a conversion's value in 1/100.

    ``number`` counts the journey's acts from 0. ``referrer`` is the page before: one of the shop's urls, or for the
    first page the address that led to it. ``page`` is the page's JSON, see ``shop.page_view_opening``.
    """

    number: int
    event_type: str
    url: str
    referrer: str | None
    page: bytes
    cents: int = 0


class Journey(Struct, gc=False, frozen=True):
    """A visit's acts, each with its time in seconds after the first one's; ``seconds``: the visit's length."""

    seconds: float
    times: tuple[float, ...]
    acts: tuple[Act, ...]


def draw_deck(rng: Random, shapes: tuple[Shape, ...], pace: float) -> list[Journey]:
    """Draw a journey of each of these shapes, two thirds of them with an end; all times are multiplied by ``pace``."""
    return [
        _draw(rng, pages, converts, sends_end, pace)
        for (pages, converts), sends_end in zip(
            rng.sample(shapes, len(shapes)), rng.sample(ENDS, len(ENDS)), strict=True
        )
    ]


def _draw(rng: Random, pages: int, converts: bool, sends_end: bool, pace: float) -> Journey:
    length = SHORTEST_VISIT_S + (LONGEST_VISIT_S - SHORTEST_VISIT_S) * rng.random()
    urls = _path(rng, pages, converts)
    referrers = [rng.choice(shop.REFERRERS), *urls]
    parts = [(SESSION_START, urls[0], referrers[0], 0)]
    parts += [(PAGE_VIEW, url, referrer, 0) for url, referrer in zip(urls, referrers, strict=False)]
    times = _times(rng, length, pages)
    if converts:
        times.append((times[-1] + length) / 2)
        parts.append((CONVERSION, urls[-1], referrers[-2], _cents(rng)))
    if sends_end:
        times.append(length)
        parts.append((SESSION_END, urls[-1], referrers[-2], 0))
    acts = (
        Act(number, event_type, url, referrer, shop.page_view_opening(url, referrer), cents)
        for number, (event_type, url, referrer, cents) in enumerate(parts)
    )
    return Journey(length * pace, tuple(time * pace for time in times), tuple(acts))


def _times(rng: Random, length: float, pages: int) -> list[float]:
    """Draw the times of a journey's start and of its page views."""
    first = rng.random()
    return [0.0, first, *sorted(first + (length - first) * rng.random() for _ in range(pages - 1))]


def _path(rng: Random, pages: int, converts: bool) -> list[str]:
    """Walk the shop's links; who converts goes through the cart and the checkout last."""
    urls = [rng.choice(shop.LANDINGS)]
    while len(urls) < (pages - 2 if converts else pages):
        urls.append(rng.choice(shop.LINKS[urls[-1]]))
    return [*urls, shop.CART, shop.CHECKOUT] if converts else urls


def _cents(rng: Random) -> int:
    """Draw what an order is worth: 5 at least, 65 in the mean."""
    return 500 + int(rng.expovariate(1 / 6_000))
