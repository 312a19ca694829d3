"""Trained detectors on disk, and scoring with them; needs no torch."""
