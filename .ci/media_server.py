"""Serves one file on 127.0.0.1 as /clip.mp4, whole or in ranges; prints `Serving on HOST:PORT`."""

import http.server
import pathlib
import re
import sys

CLIP = pathlib.Path(sys.argv[1]).read_bytes()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.split("?")[0] != "/clip.mp4":
            self.send_error(404)
            return
        size = len(CLIP)
        first, last, status = 0, size - 1, 200
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked and asked.group(1):
            first, status = int(asked.group(1)), 206
            last = min(int(asked.group(2) or last), last)
        elif asked and asked.group(2):
            first, status = max(size - int(asked.group(2)), 0), 206
        if first > last:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(status)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(CLIP[first : last + 1])

    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"Serving on 127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
