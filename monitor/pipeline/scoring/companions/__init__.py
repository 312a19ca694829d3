"""Companions: cheap statistics of each stream that learn as it goes and score its windows beside the detector.

A companion is one file here, with the class that `base.Companion` describes; a recipe names the companions it takes.
"""
