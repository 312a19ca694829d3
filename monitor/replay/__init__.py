"""Past readings: files scored row by row, and bounded ranges run again under another run name."""
