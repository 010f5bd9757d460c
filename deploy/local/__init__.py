"""The local stack: real Kafka and InfluxDB as child processes, without Docker."""
