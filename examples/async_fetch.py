"""Many waits at once: a small scraper against a web server that this script starts.

    python examples/async_fetch.py
"""

import asyncio
import re
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from litequeue import LiteQueue

app = LiteQueue(Path(tempfile.mkdtemp()) / "scraper.sqlite")


class Site(BaseHTTPRequestHandler):
    """Fifty pages, each slow to answer and linking to the next."""

    def do_GET(self):
        time.sleep(0.1)
        number = int(self.path.strip("/") or 0)
        body = f'<title>Page {number}</title><a href="/{number + 1}">next</a>'.encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@app.task(retries=2, timeout=10)
async def scrape(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    page = (await reader.read()).decode()
    writer.close()
    return re.search("<title>(.*?)</title>", page)[1], re.findall('href="(.*?)"', page)


if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 64  # or the 50 would have to knock again
    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    began = time.perf_counter()
    with app.worker(async_=50):
        jobs = scrape.delay_many((site.server_port, f"/{n}") for n in range(50))
        pages = dict(job.get(timeout=30) for job in jobs)
    print(f"{len(pages)} pages of 0.1 s each in {time.perf_counter() - began:.1f} s")
    print(f"Page 7 links to {pages['Page 7']}")
    site.shutdown()
    site.server_close()
    print("async_fetch: done")
