"""What the pictures in these tests are made of."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx

from tests.pictures import encoded

BODY = encoded("PNG", 300, 200)
LARGE = encoded("PNG", 1000, 800, "RGB", compress_level=0)
MOMENT = "Thu, 01 Jan 2026 12:00:00 GMT"
"""When the pictures were made: where the clock stands at first."""
QUERIES = ["", "?download=false"]
"""Requests without a query take a shorter way; both have to give the same."""

ServePictures = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
