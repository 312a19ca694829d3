"""Watchkeeper: a streaming time-series anomaly monitor."""
