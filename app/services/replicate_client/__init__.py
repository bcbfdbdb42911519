"""Replicate: the only place that speaks its wire and imports its official package."""

from app.services.replicate_client.client import ReplicateClient

__all__ = ["ReplicateClient"]
