"""Where readings come from: Kafka, its embedded stand-in, files."""
