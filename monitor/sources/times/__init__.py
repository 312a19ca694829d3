"""Times as plants write them: ISO 8601, counts of a unit, patterns, local time."""
