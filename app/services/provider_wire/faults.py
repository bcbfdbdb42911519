"""Faults between us and a provider's machines, and the one question that matters: was anything sent?"""

import httpx


class TransportFault(Exception):  # noqa: N818 - never leaves a provider's client; it is sorted, not shown
    """No usable answer came. `sent` is False only when the request surely never left."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(type(cause).__name__)
        self.sent = not _surely_unsent(cause)


def is_transport_fault(exc: Exception) -> bool:
    """Whether `exc` tells of the network and not of a mistake in our code."""
    if isinstance(exc, httpx.HTTPError | httpx.StreamError | TimeoutError | ConnectionError):
        return True
    # The aiohttp transport lets some of aiohttp's own errors through, an unreadable answer for one.
    return type(exc).__module__.partition(".")[0] == "aiohttp"


def _surely_unsent(exc: BaseException) -> bool:
    if isinstance(exc, httpx.ConnectTimeout):
        # httpx-aiohttp 0.2.0 also calls a connection that broke after sending a ConnectTimeout:
        # everything derived from aiohttp's ClientConnectionError, a server that hung up included.
        return exc.__cause__ is None or _is_failed_connect(exc.__cause__)
    return isinstance(exc, httpx.ConnectError | httpx.PoolTimeout | httpx.UnsupportedProtocol)


def _is_failed_connect(cause: BaseException) -> bool:
    """Whether aiohttp, or httpx's own pool beneath httpx, gave up before there was a connection."""
    names = {cls.__name__ for cls in type(cause).__mro__}
    return not names.isdisjoint({"ClientConnectorError", "ConnectionTimeoutError", "ConnectTimeout"})
