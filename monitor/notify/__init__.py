"""Notification channels: one file each.

What is sent is fixed when the alert changes: `payload` turns the transition into JSON, which is kept in the outbox in
the same transaction as the alert itself. The dispatcher takes rows from there and calls `Notifier.send`, again and
again if it must, always with the same text and the same transition id. So a receiver may see a message twice, but
never two versions of it, and can drop repeats by id.

A new way is one new file with a class made from (settings, environ), its settings, and one line in the registry.
Anything that opens a connection to a host from the configuration goes through `ssrf_guard`.
"""
