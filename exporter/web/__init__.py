"""The status page, `/metrics`, `/livez` and `/readyz`, which only read, and the webhook."""
