# %%
from litequeue import LiteQueue

queue = LiteQueue("db.sqlite")

@queue.task(name="price")
def price(basket):
    return 2 * basket

worker = queue.worker(threads=4).start()

# %%
jobs = price.delay_many((basket,) for basket in range(40))
print([job.get(timeout=10) for job in jobs][-1])
