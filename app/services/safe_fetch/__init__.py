"""Talks to addresses that callers give, or looks at them before they are passed on."""

from app.services.safe_fetch.inspector import UrlInspector
from app.services.safe_fetch.poster import Poster, receiver_of
from app.services.safe_fetch.public_urls import RefusedUrlError

__all__ = ["Poster", "RefusedUrlError", "UrlInspector", "receiver_of"]
