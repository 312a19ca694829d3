"""From event time to the grid: `aligner` for whole readings, `channel_joiner` for single channels."""
