"""Each speed claim of the README as one command."""
