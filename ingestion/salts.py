"""The salts of the cookieless visitors, one a day, in files that all of a machine's workers share."""

import os
import secrets
from pathlib import Path

from ingestion.visitors import SALT_BYTES, SALT_KEPT_MS, day_of


class Salts:
    """The salts in one folder. Only the door's user may read them; none outlives its 48 hours where a door runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[int, bytes] = {}

    def of(self, time_ms: int, now_ms: int) -> bytes:
        """Return the salt of an event's day if that is today or yesterday, else today's. Makes it if there is none.

        Raises OSError.
        """
        today = day_of(now_ms)
        day = day_of(time_ms)
        if day not in (today, today - 1):
            day = today
        salt = self._known.get(day)
        if salt is None:
            salt = self._known[day] = self._read_or_make(day)
        return salt

    def forget(self, now_ms: int) -> None:
        """Delete the salts whose time is over. Raises OSError."""
        oldest = day_of(now_ms - SALT_KEPT_MS) + 1
        self._known = {day: salt for day, salt in self._known.items() if day >= oldest}
        for path in self._folder.glob("*.*"):  # what a crash has left half made too
            day = path.name.partition(".")[0]
            if day.isdecimal() and int(day) < oldest:
                path.unlink(missing_ok=True)

    def _read_or_make(self, day: int) -> bytes:
        path = self._folder / f"{day}.salt"
        self._folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            made = self._folder / f"{day}.{secrets.token_hex(8)}"
            made.touch(mode=0o600)
            made.write_bytes(secrets.token_bytes(SALT_BYTES))
            try:
                os.link(made, path)  # whole or not at all, and the first of several workers wins
            except FileExistsError:
                pass
            finally:
                made.unlink()
        return path.read_bytes()
