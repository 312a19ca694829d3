"""The demo: the whole product on two simulated plants, in memory, with checks that fail when something is missing."""
