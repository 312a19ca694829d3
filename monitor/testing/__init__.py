"""For tests, ours and users': in-memory twins of the ports and a webhook receiver."""
