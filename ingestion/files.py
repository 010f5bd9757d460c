"""The files that the door serves: the tracker, and a folder of pages if there is one. Read once, at the start."""

from collections.abc import Iterator
from mimetypes import guess_type
from pathlib import Path

from ingestion.replies import Response

TRACKER = "/tidemark.js"
#: A site's pages ask again for the tracker after an hour.
_KEPT = b"public, max-age=3600"
_ASK_AGAIN = b"no-cache"


def served(tracker: Path, pages: Path | None) -> dict[str, Response]:
    """Return each file's response by its path. A tracker that has not been built is none of them.

    ``cart.html`` is the page ``/cart``, ``index.html`` the page ``/``. Raises OSError if a file cannot be read.
    """
    files = {} if pages is None else dict(_pages(pages))
    if tracker.is_file():
        files[TRACKER] = _response(tracker, _KEPT)
    return files


def _pages(folder: Path) -> Iterator[tuple[str, Response]]:
    for file in folder.rglob("*"):
        if file.is_file():
            name = file.relative_to(folder).as_posix()
            if file.suffix == ".html":
                name = name.removesuffix(".html").removesuffix("index")
            yield f"/{name}", _response(file, _ASK_AGAIN)


def _response(file: Path, caching: bytes) -> Response:
    content_type = guess_type(file.name)[0] or "application/octet-stream"
    return Response(200, file.read_bytes(), f"{content_type}; charset=utf-8".encode(), caching=caching)
