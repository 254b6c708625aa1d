"""A trigger on the app's own table makes the job: whoever marks an order as paid, with whatever tool, has it shipped.

    python examples/by_sql.py
"""

import sqlite3
import tempfile

from litequeue import LiteQueue

app = LiteQueue(f"{tempfile.mkdtemp()}/shop.sqlite")


@app.task(name="ship", retries=3)
def ship(order):
    print(f"order {order} is shipped")


def main():
    with app.transaction() as db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER NOT NULL DEFAULT 0)")
        db.execute("""
            CREATE TRIGGER order_is_paid AFTER UPDATE OF paid ON orders WHEN NEW.paid AND NOT OLD.paid
            BEGIN
                INSERT INTO litequeue_enqueue (task, args) VALUES ('ship', '[' || NEW.id || ']');
            END""")

    connection = sqlite3.connect(app.path)  # any other program, and the sqlite3 shell too
    connection.executemany("INSERT INTO orders (id) VALUES (?)", [(1,), (2,), (3,)])
    connection.execute("UPDATE orders SET paid = 1 WHERE id IN (1, 3)")
    connection.commit()
    connection.execute("UPDATE orders SET paid = 1 WHERE id = 2")
    connection.rollback()  # and the job with it
    connection.close()

    with app.worker(threads=1, burst=True) as worker:  # one after the other, as they were made
        worker.join()
    print("by_sql: done")


if __name__ == "__main__":
    main()
