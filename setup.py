"""Compiles the modules that an event costs most in; without a C compiler they run as they are, slower."""

from mypyc.build import mypycify
from setuptools import setup

#: Plain Python with types. Modules whose Structs are read from bytes stay out: their annotations must survive.
COMPILED = [
    "tidemark/decoding.py",
    "streams/windows/agenda.py",
    "streams/windows/audience.py",
    "streams/windows/bounce.py",
    "streams/windows/duplicates.py",
    "streams/windows/early.py",
    "streams/windows/exact.py",
    "streams/windows/funnel.py",
    "streams/windows/held.py",
    "streams/windows/measures.py",
    "streams/windows/merge.py",
    "streams/windows/open_windows.py",
    "streams/windows/output.py",
    "streams/windows/pane.py",
    "streams/windows/partition.py",
    "streams/windows/provisional.py",
    "streams/windows/records.py",
    "streams/windows/saving.py",
    "streams/windows/session.py",
    "streams/windows/site.py",
    "streams/windows/sliding.py",
    "streams/windows/totals.py",
    "streams/windows/visitor.py",
]

extensions = mypycify(COMPILED)
for extension in extensions:
    extension.optional = True

setup(ext_modules=extensions)
