"""Load for the product beside what it is compared with: `python -m benchmarks`, docs/performance.md."""
