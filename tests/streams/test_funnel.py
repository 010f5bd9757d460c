"""Paths of urls, and the funnel's steps in their order."""

import pytest

from streams.windows.funnel import Funnel, path_of

FUNNEL = Funnel(["/", "/products*", "/cart", "/checkout"])


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/cart", "/cart"),
        ("/cart?item=1#top", "/cart"),
        ("https://shop.example/products/7?x=/cart", "/products/7"),
        ("https://shop.example", "/"),
        ("https://shop.example#/cart", "/"),
        ("?q=1", "/"),
        ("products", "products"),
    ],
)
def test_a_path_is_what_is_left_without_scheme_host_query_and_fragment(url: str, path: str) -> None:
    assert path_of(url) == path


def walk(*urls: str) -> int:
    step = 0
    for url in urls:
        step = FUNNEL.after_conversion(step) if url == "CONVERSION" else FUNNEL.after_page_view(step, url)
    return step


def test_pages_in_between_do_not_matter() -> None:
    assert walk("/", "/about", "/products/1", "/blog", "/cart", "/checkout", "CONVERSION") == 5


def test_a_step_out_of_order_does_not_count() -> None:
    assert walk("/cart", "/products", "CONVERSION") == 0
    assert walk("/", "/cart", "/checkout", "CONVERSION") == 1


def test_abandoned_is_past_the_first_step_and_not_at_the_end() -> None:
    assert [FUNNEL.abandoned(step) for step in range(6)] == [False, False, True, True, True, False]
