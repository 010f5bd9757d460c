"""Pure windows: no Kafka, no Faust, no clock; time comes in as an argument."""
