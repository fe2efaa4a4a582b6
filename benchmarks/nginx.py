"""nginx as a proxy in front of the same gateway, to compare with. One process, nothing buffered."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.processes import Child
from benchmarks.sockets import free_port, wait_for_port

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

_CONFIG = """\
daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {place}/1; proxy_temp_path {place}/2; fastcgi_temp_path {place}/3;
  uwsgi_temp_path {place}/4; scgi_temp_path {place}/5;
  upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 100; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off;
    }}
  }}
}}
"""


class Nginx:
    """A running nginx; `child` is its only process."""

    def __init__(self, place: Path, gateway: int, core: int) -> None:
        """`gateway` is the port of the gateway, `core` the processor core that nginx may use."""
        assert PROGRAM is not None
        place.mkdir()
        self.port = free_port()
        config = place / "nginx.conf"
        config.write_text(_CONFIG.format(place=place, gateway=gateway, port=self.port))
        self.child = Child([PROGRAM, "-c", str(config), "-p", str(place)], {}, place / "log", core)
        wait_for_port(self.port, self.child)
