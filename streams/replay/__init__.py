"""``tidemark replay``: results of the past computed anew beside the platform, from the events topic alone.

``log`` reads it, ``stages`` are both stages in memory, ``asked`` picks the results, ``output`` writes them,
``comparison`` holds them against what was ``live``.
"""
