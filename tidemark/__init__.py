"""The shared language: what every part of Tidemark agrees on. Imports no part."""
