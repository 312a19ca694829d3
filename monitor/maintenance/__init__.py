"""Maintenance windows: recurrence, occurrences in time, what they switch off, and calendars to import."""
