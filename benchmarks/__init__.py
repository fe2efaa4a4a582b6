"""The budgets beside what was measured: `python -m benchmarks`."""
