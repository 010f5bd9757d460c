"""The load simulator: seeded visitors whose events go to the events topic."""
