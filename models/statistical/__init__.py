"""Detectors that are statistics: fitted by numpy and scikit-learn, without torch, and written as the same graphs."""
