"""What our own API takes and gives."""
