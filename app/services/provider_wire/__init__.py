"""What the clients of all providers need on the wire, whatever is spoken over it."""
