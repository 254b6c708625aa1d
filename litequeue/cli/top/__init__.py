"""``top``: the page of a file on a terminal, with no curses and nothing of its own that asks the file.

Read ``command`` first, the loop. What is shown is a pure function of a ``state`` and of what has been read for it (``reading``, by the store's pages): ``frame`` puts a
screen together, of ``overview``, ``lists`` and ``detail``, which are made of ``table``, ``charts`` and ``text`` (lines, how wide they are, and that nothing in them drives a terminal);
``paint`` says how styles look. What keys do is pure as well: ``keyboard`` makes words of bytes, ``keys`` another state of a word, with ``asking`` for what is asked first; ``doing`` does what they ask for. The
edge to the system is ``terminal`` alone. May import what ``cli`` may; the words are those of ``web``, which has said them first.
"""
