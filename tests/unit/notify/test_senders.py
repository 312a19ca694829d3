"""Threads that call receivers: what comes back, and what is left behind by a turn that was given up."""

from __future__ import annotations

import socket
import threading

from monitor.notify.attempt import Attempt, AttemptStream
from monitor.notify.senders import Senders

SOON = 10.0


def collected(senders: Senders[int, int], count: int) -> dict[int, int]:
    found: dict[int, int] = {}
    while len(found) < count:
        found |= dict(senders.taken(SOON))
    return found


def test_each_result_comes_back_with_what_was_given() -> None:
    senders: Senders[int, int] = Senders("test", 4, lambda given: given * given)
    for given in range(50):
        senders.submit(given)

    assert collected(senders, 50) == {given: given * given for given in range(50)}
    assert senders.flying == 0
    assert list(senders.taken(0.01)) == []


def test_what_was_under_way_before_is_never_taken_for_what_was_submitted_since() -> None:
    """A turn ends by an error of the database while messages are in the air: no turn waits for them any more."""
    go_on = threading.Event()

    def work(given: int) -> int:
        assert given or go_on.wait(SOON)
        return given

    senders = Senders("test", 2, work)
    senders.submit(0)
    senders.renew()
    assert senders.flying == 0
    senders.submit(1)  # by another thread, as the first one is busy
    assert list(senders.taken(SOON)) == [(1, 1)]
    go_on.set()
    senders.submit(2)
    senders.submit(3)
    assert collected(senders, 2) == {2: 2, 3: 3}


def test_what_is_written_goes_in_one_piece_when_the_answer_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(SOON)
        stream = AttemptStream(ours, "127.0.0.1", Attempt(SOON), lambda _: True)
        stream.write(b"head ")
        stream.write(b"body")
        theirs.sendall(b"answer")

        assert stream.read(100) == b"answer"
        assert theirs.recv(100) == b"head body"


def test_an_answer_is_read_although_the_receiver_takes_nothing_more() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"no more")
        theirs.shutdown(socket.SHUT_RDWR)
        stream = AttemptStream(ours, "127.0.0.1", Attempt(SOON), lambda _: True)
        stream.write(b"a long body")

        assert stream.read(100) == b"no more"
