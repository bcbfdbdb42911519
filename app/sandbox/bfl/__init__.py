"""A small Black Forest Labs beside the small Replicate: the same clock, database, painter and faults."""
