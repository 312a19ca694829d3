"""Everything the TOML file says: `settings` reads and checks it, the other modules hold its tables."""
