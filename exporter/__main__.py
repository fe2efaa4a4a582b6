"""`python -m exporter`: the same as `bytespike-exporter`."""

from exporter.cli import main

main()
