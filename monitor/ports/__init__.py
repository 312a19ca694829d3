"""The seams to the outside: what a source, a store, a scorer and a notifier must do.

Each method says when it is called, whether it may block, what it may raise, and what is done when it returns.

Every port has an in-memory twin in `monitor.testing`; twin and real thing pass the same contract tests.
"""
