"""Heartbeats in an ECG: R-peaks found online, and each beat cut out as one window."""
