"""The website that the visitors walk: its pages, the links between them, and where visitors come from."""

from functools import lru_cache

import msgspec

from tidemark.events import PageViewData

_NAME = (
    "Harbour & Tide Supply Co. - everything for small boats, long coasts and wet weather, "
    "with free delivery to every quay from Hobart to Halifax for orders of more than one hundred"
)
_INTERNAL = "https://www.harbour-and-tide.example{}?list=popular&position=4&currency=local&experiment=wide-header-b"
_GOODS = (
    *("anchor-rope", "bilge-pump", "brass-compass", "canvas-bag", "deck-shoes", "dry-bag", "fender-set"),
    *("fishing-knife", "hand-line", "head-torch", "kayak-paddle", "life-jacket", "mooring-line", "oilskin-coat"),
    *("paper-chart", "radio-vhf", "rope-ladder", "sea-boots", "signal-flare", "tide-clock", "wool-jumper"),
)
_POSTS = ("how-to-read-a-tide-table", "knots-that-hold", "packing-for-a-week-at-sea", "when-to-turn-back")

HOME, PRODUCTS, CART, CHECKOUT, ABOUT, BLOG = "/", "/products", "/cart", "/checkout", "/about", "/blog"
_PRODUCT_PAGES = tuple(f"/products/{name}" for name in _GOODS)
_POST_PAGES = tuple(f"/blog/{name}" for name in _POSTS)

#: Where a visit begins and, for each page, where it goes next; what is listed more often is likelier.
LANDINGS = (HOME,) * 60 + _PRODUCT_PAGES + (PRODUCTS,) * 10 + _POST_PAGES * 3
LINKS: dict[str, tuple[str, ...]] = {
    HOME: (PRODUCTS,) * 12 + _PRODUCT_PAGES[:5] + (BLOG, BLOG, ABOUT),
    PRODUCTS: _PRODUCT_PAGES * 2 + (HOME, CART),
    CART: (PRODUCTS,) * 4 + _PRODUCT_PAGES[3:6] + (CHECKOUT,) * 2,
    CHECKOUT: (CART, HOME, PRODUCTS),
    ABOUT: (HOME, PRODUCTS, BLOG),
    BLOG: (*_POST_PAGES, HOME, PRODUCTS),
    **dict.fromkeys(_PRODUCT_PAGES, (PRODUCTS,) * 6 + _PRODUCT_PAGES[:6] + (CART,) * 3 + (HOME,)),
    **dict.fromkeys(_POST_PAGES, (BLOG, BLOG, PRODUCTS, PRODUCTS, HOME)),
}

_CAMPAIGN = (
    "utm_source={0}&utm_medium={1}&utm_campaign=autumn-{0}-2&utm_content=banner-wide-blue&click=8f14e45fceea167a5a36"
)
#: The page that led to a visit; None: typed in, or from a bookmark.
REFERRERS: tuple[str | None, ...] = (
    None,
    "https://search.example/results?q=boat+supplies+near+the+coast&source=web&page=1&lang=en",
    "https://search.example/results?q=tide+clock+brass&source=web&page=2&lang=en",
    "https://ads.example/landing?" + _CAMPAIGN.format("search", "cpc"),
    "https://social.example/share/post/73250417?" + _CAMPAIGN.format("social", "paid"),
    "https://mail.example/newsletter/2026-11/open?" + _CAMPAIGN.format("newsletter", "email"),
    "https://forum.example/t/which-rope-for-a-small-anchor/40213?page=3#post-58",
)


@lru_cache(8_192)
def page_view_opening(url: str, referrer: str | None) -> bytes:
    """Return the JSON of a page's ``pageViewData`` up to where the load time (ms) and the closing brace go.

    A referrer that is one of the shop's own urls becomes its full address.
    """
    address = _INTERNAL.format(referrer) if referrer in LINKS else referrer
    data = PageViewData(url=url, title=_title(url), referrer=address)
    return msgspec.json.encode(data)[:-1] + b',"pageLoadTime":'


def _title(url: str) -> str:
    name = url.rsplit("/", 1)[-1].replace("-", " ").capitalize() or "Welcome"
    return f"{name} | {_NAME}"
