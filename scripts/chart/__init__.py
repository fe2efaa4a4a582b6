"""What is generated for the charts: schemas, tables of values, the sidecar without Helm."""
