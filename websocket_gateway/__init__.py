"""The WebSocket gateway: the latest results to live clients."""
