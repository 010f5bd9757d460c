"""The files that the door serves beside its own paths."""

from pathlib import Path

from ingestion.files import TRACKER, served
from tests.ingestion.made import Client


def client(folder: Path) -> Client:
    """A door with a tracker and some pages, one of which has the name of one of its own paths."""
    (folder / "pages" / "products").mkdir(parents=True)
    for name in ("index.html", "cart.html", "products.html", "products/tide-clock.html", "shop.css", "health.html"):
        (folder / "pages" / name).write_text(name)
    (folder / "tidemark.js").write_text("run()")
    return Client(folder, files=served(folder / "tidemark.js", folder / "pages"))


def test_pages_have_addresses_without_endings(tmp_path: Path) -> None:
    door = client(tmp_path)
    pages = {"/": "index", "/cart": "cart", "/products": "products", "/products/tide-clock": "products/tide-clock"}
    for path, name in pages.items():
        answer = door.get(f"{path}?list=new")
        assert (answer.status, answer.body.decode()) == (200, f"{name}.html")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
    assert door.get("/shop.css").headers["content-type"] == "text/css; charset=utf-8"
    assert door.get("/cart.html").status == 404
    assert door.ask("POST", "/cart").status == 405


def test_the_doors_own_paths_come_first(tmp_path: Path) -> None:
    assert client(tmp_path).get("/health").json()["status"] == "ok"


def test_the_tracker_is_a_script_that_may_be_kept_for_an_hour(tmp_path: Path) -> None:
    answer = client(tmp_path).get(TRACKER)
    assert (answer.status, answer.body) == (200, b"run()")
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "public, max-age=3600"


def test_without_a_tracker_and_pages_there_are_none(tmp_path: Path) -> None:
    door = Client(tmp_path, files=served(tmp_path / "tidemark.js", None))
    assert door.get(TRACKER).status == door.get("/").status == 404
    assert door.get("/health").headers["cache-control"] == "no-store"
