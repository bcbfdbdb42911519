"""The sandbox's routes, by the noun that they are about."""
