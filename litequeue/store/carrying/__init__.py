"""Jobs as lines of JSON: out of a file, and into another.

Read ``fields`` first: what a line says, and how each value is written. ``lines`` makes a line of a job, and a job of a line, or says what is wrong with it; ``reading``
takes jobs out of a file, ``storing`` puts them into one. May import ``base``, and what the store has of rules, keys, tags and steps beside it.

A job is carried whole, with all that tables keep of it by its id; what it has to do with other jobs is not. Which file a line came from does not matter, so lines may
be picked, put together and written by hand. What is in a line is believed as an enqueue is: it decides what a worker runs, and nothing else.
"""
