"""Side-by-side measurements on loopback, run by hand; see docs/benchmarks.md."""
