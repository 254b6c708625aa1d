# tasks.py
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")  # where the worker runs: /data

@app.task
def add(x, y):
    return x + y

@app.cron("0 3 * * *", timezone="UTC")
@app.task(retries=3)
def back_up(to="backup.sqlite"):
    return app.backup(to)
