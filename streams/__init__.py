"""The stream processor: events in, window metrics, visits and alerts out."""
