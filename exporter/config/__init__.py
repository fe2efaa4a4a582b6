"""Types of the configuration, and how it is read. Start at `exporter.config.load`."""
