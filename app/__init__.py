"""Fluxgate: a self-hosted REST service between applications and image models."""
