"""Alerts about sites: rules in a file, judged on the finals of ``processed-metrics``, to ``cep-alerts``."""
