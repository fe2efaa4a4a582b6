"""The gateway client, against functions handed to `httpx.MockTransport`."""
