"""Each speed claim of the README and of docs/speed.md as one command."""
