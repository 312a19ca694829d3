"""The worker: polls, processes and commits; owns partitions and the state of their streams."""
