"""Coverage begins to trace new threads one after another, which Python up to 3.11 needs.

It refuses a trace function while another one is being installed, and ends the thread that wanted it. Audit hooks in
Python, as that of `monitor.notify.socket_guard`, let threads change in between.
"""

import sys
import threading
from types import FrameType
from typing import Any


def one_by_one() -> None:
    """From now on, each thread that starts waits until the one before it is traced; nothing where none is traced."""
    hook, settrace, lock = threading.gettrace(), sys.settrace, threading.RLock()
    if hook is None:
        return

    def install(function: Any, /) -> None:
        with lock:
            settrace(function)

    def begin(frame: FrameType, event: Any, argument: Any) -> Any:
        with lock:
            return hook(frame, event, argument)

    sys.settrace = install
    threading.settrace(begin)
