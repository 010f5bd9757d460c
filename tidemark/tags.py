"""How a text is kept in a tag of InfluxDB, where not every character can stand: who writes and who asks must agree."""

import re

_UNSAFE = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029]")


def kept_in_tag(text: str) -> str:
    """Return what a tag holds for a text; no two texts become one.

    Line protocol has no way to write a line break or a trailing backslash in a tag: backslashes and control characters
    are kept as their Python escapes (``\\x5c``, ``\\x0a``, ``\\u2028``).
    """
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
