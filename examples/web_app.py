"""A web app that answers at once with a job's id, and has a page for its state; litequeue's own page is a part of it.

    python examples/web_app.py
"""

import json
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import shift_path_info

from litequeue import JobNotFound, LiteQueue
from litequeue.web import wsgi

app = LiteQueue(Path(tempfile.mkdtemp()) / "web.sqlite")


@app.task(result_ttl=3600)
def thumbnail(name):
    time.sleep(0.2)
    return f"/thumbs/{name}.png"


watch = wsgi(app, login=False)  # a real one would ask who it is before it hands on a request


def site(environ, start_response):
    """POST /thumbnail/NAME starts a job; GET /jobs/ID tells about it; below /queue is the page of all jobs."""
    if environ["PATH_INFO"].startswith("/queue/"):
        shift_path_info(environ)
        return watch(environ, start_response)
    method, (_, what, arg) = environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/", 2)
    try:
        if (method, what) == ("POST", "thumbnail"):
            status, answer = "202 Accepted", {"job": thumbnail.delay(arg).id}
        else:
            job = app.job(int(arg))
            status, answer = "200 OK", {"state": job.state}
            if job.state == "succeeded":
                answer["result"] = job.get()
    except (JobNotFound, ValueError) as error:
        status, answer = "404 Not Found", {"error": str(error)}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, site, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    with app.worker(threads=2):
        post = urllib.request.Request(f"{base}/thumbnail/cat", method="POST")
        job = json.load(urllib.request.urlopen(post))["job"]
        while (page := json.load(urllib.request.urlopen(f"{base}/jobs/{job}")))["state"] != "succeeded":
            print(f"job {job} is {page['state']}")
            time.sleep(0.05)
    print(f"job {job}: {page}")
    seen = urllib.request.urlopen(f"{base}/queue/jobs/{job}").read().decode()
    print("the page of all jobs shows it" if "thumbnail" in seen else "the page does not show it")
    server.shutdown()
    server.server_close()
    print("web_app: done")
