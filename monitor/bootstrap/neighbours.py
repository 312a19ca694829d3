"""Other workers on the same database, seen before a worker begins."""

from __future__ import annotations

from monitor.bootstrap.parts import reader
from monitor.config.settings import Settings
from monitor.errors import StoreError
from monitor.records.scalars import LIVE
from monitor.records.workers import DEAD_AFTER


def refuse_shared_families(settings: Settings) -> None:
    """Raise StoreError where a living worker reads a family of the same name from another topic.

    Both would write the same streams, and each would score with the model of the other.
    """
    from monitor.store.shared_rows import WHAT_TO_DO, named_worker

    found = []
    rows = reader(settings)
    try:
        living = rows.service(LIVE).living
    finally:
        rows.close()
    for name, family in settings.families.items():
        others = [worker for worker in living if worker.report.families.get(name, family.topic) != family.topic]
        if others:
            found.append(
                f"families.{name}: worker {named_worker(others[0], name)} writes a family of this name into this "
                f"database, and here its topic is {family.topic}; {WHAT_TO_DO}; where only the topic has changed, stop "
                f"that worker first (one that was killed counts for {DEAD_AFTER // 10**9} s)"
            )
    if found:
        raise StoreError("; ".join(found))
