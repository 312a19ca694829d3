"""From readings on the grid to windows of fixed length: one file for each kind, `registry` picks."""
