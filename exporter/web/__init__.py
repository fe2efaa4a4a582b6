"""The status page, `/livez`, `/readyz` and `/metrics`. Read only; nothing can be changed here."""
