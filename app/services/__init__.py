"""The verbs of the service, and one client per provider."""
