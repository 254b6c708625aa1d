# fastapi_shop.py
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from litequeue import JobNotFound, LiteQueue

queue = LiteQueue("db.sqlite")

@queue.task
def receipt(order):
    return f"receipt {order}"

@asynccontextmanager
async def lifespan(app):
    async with queue.worker(threads=4):
        yield

app = FastAPI(lifespan=lifespan)

@app.post("/orders/{order}", status_code=202)
async def buy(order: int):
    job = await receipt.adelay(order)
    return {"job": job.id}

@app.get("/jobs/{number}")
def job(number: int):
    try:
        state = queue.job(number).state
    except JobNotFound:
        raise HTTPException(404, "there is no such job") from None
    if state != "succeeded":
        return {"state": state}
    return {"state": state, "result": queue.job(number).get()}
