"""Black Forest Labs: the only place that speaks the wire of their API."""

from app.services.bfl_client.client import BflClient

__all__ = ["BflClient"]
