"""Watchkeeper: a streaming time-series anomaly monitor. The folders are the sentence that says what it does.

Readings come from sources, go through the pipeline, the worker commits them to the store, notify sends alerts;
training makes models; replay judges the past again. In the order of the flow:

    config/         the TOML file: tables, defaults, checks
    records/        what travels: columnar batches, alerts, totals
    ports/          the seams to the outside: source, store, scorer, notifier
    sources/        Kafka, files and memory; message formats
    pipeline/       one family, batch in, batch out, and the loop over a source; pure: no I/O, no clock
        alignment/  event time to grid: late, duplicate, missing; channels joined
        windowing/  grid to windows: sliding, tumbling, messages, heartbeats
        scoring/    windows to verdicts by a recipe: detector and companions, calibration, combination, limit
        thresholds/ scores to limits: rolling, static, quantile, mad, pot, conformal
        health/     faults of the streams themselves: out of range, frozen, silent
        alerting/   anomalies and health to facts about alerts
        state/      the state of every stream, in columns and as bytes
    worker/         the process: poll, process, commit, own partitions; the pace of commits
    alerts/         the life of an alert: facts of workers and commands of people, merged; pure
    training/       history to models, and models to workers: trained, tried beside the champion, adopted
    store/          SQLite and PostgreSQL: one transaction per commit, queries, outbox, migrations
    notify/         outbox to webhooks and logs
    replay/         the past, judged again: files, ranges, late readings
    observability/  structured logs
    outputs/        files that a person names and drafts of models: written whole or not at all
    simulator/ demo/ testing/   made-up plants, the guided tour, in-memory twins
    bootstrap/      the only place that picks implementations: parts, checks, connections, assembly of a worker
    cli/            one file per command
    errors          one tree of errors, each with its exit code

The import rules of pyproject.toml (`make check`) keep these layers apart. The detectors are a separate package,
`models`, which does not import this one.
"""
