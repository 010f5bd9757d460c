"""What can go wrong before or while the local stack starts, as text a person can act on."""


class StackError(Exception):
    """The stack cannot start or has failed; the text says what is wrong and what to do about it, one line a problem."""
