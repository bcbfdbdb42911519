"""Addresses that callers give: looked at before anything is fetched from them or passed on."""

from app.services.safe_fetch.inspector import UrlInspector

__all__ = ["UrlInspector"]
