"""The seams to the outside: what a source, a store, a scorer and a notifier must do.

Every port has an in-memory twin in `monitor.testing`; twin and real thing pass the same contract tests.
"""
