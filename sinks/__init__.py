"""Sinks: results from Kafka to where they are kept."""
