"""Examples: programs and data to try the service with."""
