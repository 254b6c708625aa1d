# wsgi.py
import flask_shop

app = flask_shop.app
flask_shop.queue.worker(threads=4).start()
