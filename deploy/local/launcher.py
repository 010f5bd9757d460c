"""Becomes the command it is given, after asking Linux to end that command when the process that started it ends.

A tiny program of its own and no ``preexec_fn``, because running Python between fork and exec can deadlock in a process
with threads. Usage: ``launcher.py PARENT_PID COMMAND…``; the process id stays the same.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for SIGTERM at the parent's death, then become the command; exit 1 if the parent is already gone."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent has gone")
    os.execvp(command[0], command)


main()
