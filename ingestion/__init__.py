"""The HTTP door: events from web pages and back ends, on Kafka for good before they are answered."""
