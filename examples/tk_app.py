"""A desktop app that stays responsive: the window's loop never waits, the jobs run beside it.

    python examples/tk_app.py
"""

import tempfile
import time
from pathlib import Path

from litequeue import LiteQueue

app = LiteQueue(Path(tempfile.mkdtemp()) / "desktop.sqlite")


@app.task
def export(page):
    time.sleep(0.2)  # rendering, uploading, ...
    return f"page-{page}.pdf"


def main():
    try:
        import tkinter

        window = tkinter.Tk()
    except Exception as error:  # noqa: BLE001 - no tkinter in this Python, or no display
        print(f"skipped: there is no display to open a window on ({error})")
        return
    window.title("litequeue")
    label = tkinter.Label(window, width=40, height=3)
    label.pack()
    jobs, gaps, last = [], [], time.perf_counter()

    def tick():
        nonlocal last
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
        finished = sum(job.done() for job in jobs)
        label["text"] = f"exported {finished} of {len(jobs)} pages"
        if jobs and finished == len(jobs):
            window.destroy()
        else:
            window.after(20, tick)

    with app.worker(threads=2):  # stops with the window, and leaves no thread behind
        jobs += export.delay_many((n,) for n in range(8))
        tick()
        window.mainloop()
    print(f"exported {len(jobs)} pages; the window never waited more than {max(gaps) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
    print("tk_app: done")
