"""Entry point of the `watchkeeper` command and of `python -m monitor`."""

import gc
import sys
from pathlib import Path

gc.set_threshold(300_000, 20, 20)  # imports make more objects than that, and no garbage
_OURS = Path(__file__).resolve().parents[1]
if __name__ == "__main__" and not sys.flags.safe_path and Path(sys.path[0]).resolve() != _OURS:
    del sys.path[0]  # `-m` puts the current folder first, and one with a folder `models` would hide the package

from monitor.cli.app import main  # noqa: E402

if __name__ == "__main__":
    main()
