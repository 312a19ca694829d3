"""The process that does the work: poll, process, commit, and everything it owns meanwhile."""
