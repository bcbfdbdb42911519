"""Fetches one picture over and over on keep-alive connections and counts.

Bodies are discarded inside the kernel (MSG_TRUNC), so one core of this client outruns every server
here but nginx.  A process of its own; writes one JSON object to standard output.
"""

import argparse
import json
import os
import re
import select
import socket
import sys
import time

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_DISCARD = bytearray(1 << 20)


class _Stream:
    """One connection with one request under way."""

    def __init__(self, port: int, request: bytes) -> None:
        self._request = request
        self._head = b""
        self._remaining = 0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def ask(self) -> None:
        """Send the request; it always fits the socket's buffer."""
        self.socket.send(self._request)

    def read(self) -> bool:
        """Take in what has arrived; whether the answer is now whole."""
        if not self._remaining:
            received = self.socket.recv(4096)
            if not received:
                raise ConnectionResetError("The server closed a keep-alive connection.")
            self._head += received
            head, found, rest = self._head.partition(b"\r\n\r\n")
            if not found:
                return False
            length = _LENGTH.search(head)
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise ConnectionError(f"Not a 200 with a length: {head[:100]!r}")
            self._head, self._remaining = b"", int(length[1]) - len(rest)
        while self._remaining:
            wanted = min(self._remaining, len(_DISCARD))
            try:
                discarded = self.socket.recv_into(_DISCARD, wanted, socket.MSG_TRUNC)
            except BlockingIOError:
                return False
            if not discarded:
                raise ConnectionResetError("The server closed the connection within a picture.")
            self._remaining -= discarded
        return True


def fetch(port: int, path: str, *, connections: int, seconds: float) -> int:
    """How many whole answers came within `seconds`; raises OSError on the first bad one."""
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: image/*\r\n\r\n".encode("latin-1")
    poll = select.epoll()
    streams = {}
    for _ in range(connections):
        stream = _Stream(port, request)
        streams[stream.socket.fileno()] = stream
        poll.register(stream.socket.fileno(), select.EPOLLIN)
    for stream in streams.values():
        stream.ask()
    answers = 0
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        for number, _ in poll.poll(left):
            if streams[number].read():
                answers += 1
                streams[number].ask()
    return answers


def main() -> None:
    """Fetch for a while and print the count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    started = time.perf_counter()
    busy_before = os.times()
    answers = fetch(options.port, options.path, connections=options.connections, seconds=options.seconds)
    busy = os.times()
    result = {
        "answers": answers,
        "wall_s": time.perf_counter() - started,
        "cpu_s": busy.user + busy.system - busy_before.user - busy_before.system,
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
