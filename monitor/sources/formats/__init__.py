"""One file per message format; `monitor.bootstrap` picks among them by `format.kind`."""
