"""From an address to its country, by a database in MaxMind's format; without one, nothing is known."""

from pathlib import Path
from typing import Any

import maxminddb

from ingestion.addresses import Address


class Countries:
    """The countries of one database file, None for none. Raises OSError or maxminddb.InvalidDatabaseError at once."""

    def __init__(self, database: Path | None) -> None:
        self._reader = None if database is None else maxminddb.open_database(database)

    def of(self, address: Address) -> str | None:
        """Return the address's country as a two-letter code; None if it is not known."""
        if self._reader is None or (address.version == 6 and self._reader.metadata().ip_version == 4):
            return None
        found = self._reader.get(address)
        return _code(found)


def _code(found: Any) -> str | None:
    """Databases with GeoIP2's fields nest the code, the others have it in a field of its own."""
    if not isinstance(found, dict):
        return None
    country = found.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else found.get("country_code")
    return code if isinstance(code, str) and code else None
