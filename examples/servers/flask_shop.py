# flask_shop.py
from flask import Flask

from litequeue import JobNotFound, LiteQueue

queue = LiteQueue("db.sqlite")
app = Flask(__name__)

@queue.task
def receipt(order):
    return f"receipt {order}"

@app.post("/orders/<int:order>")
def buy(order):
    return {"job": receipt.delay(order).id}, 202

@app.get("/jobs/<int:number>")
def job(number):
    try:
        state = queue.job(number).state
    except JobNotFound:
        return {"error": "there is no such job"}, 404
    if state != "succeeded":
        return {"state": state}
    return {"state": state, "result": queue.job(number).get()}

if __name__ == "__main__":
    with queue.worker(threads=4):
        app.run(debug=True)
