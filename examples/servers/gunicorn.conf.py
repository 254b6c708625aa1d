# gunicorn.conf.py
def post_worker_init(worker):
    from flask_shop import queue

    queue.worker(threads=4).start()
