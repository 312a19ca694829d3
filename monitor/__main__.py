"""Entry point of the `watchkeeper` command and of `python -m monitor`."""

import gc

gc.set_threshold(300_000, 20, 20)  # imports make more objects than that, and no garbage

from monitor.cli.app import main  # noqa: E402

if __name__ == "__main__":
    main()
