"""What the speed figures in the book come from: ``python -m benchmarks``."""
