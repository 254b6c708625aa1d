"""The chaos run: everything that can die dies, again and again, and then the promises are checked.

``python -m tests.chaos --seconds N --seed S`` prints a verdict and exits 1 on a violation, keeping the evidence,
which ``--judge FOLDER`` reads again. ``driver`` starts and kills, ``producer`` and ``tasks`` are what it
kills, ``evidence`` reads what they left behind, ``judge`` finds what was broken; of workflows ``flows``, ``flow_evidence`` and
``flow_judge`` do.
"""
