"""HTTP in, HTTP out: each router declares what comes in, calls one verb and returns what it gives."""
