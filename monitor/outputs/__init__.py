"""Results on disk: written beside what they replace, renamed over it at the end: never half of one."""
