"""A plant that does not exist: seeded signals, labelled faults, and their way to Kafka."""
