"""Per-stream state: `columns` keep it, `segments` address it by stream, `codec` saves it."""
