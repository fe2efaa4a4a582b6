"""Fixtures that start real receivers on loopback; see `fixtures` for how to ask for one."""
