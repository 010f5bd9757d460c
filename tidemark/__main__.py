"""``python -m tidemark`` is the ``tidemark`` command."""

from tidemark.cli import main

main()
