"""Tries to break the exporter, and writes down what was seen.

::

    trials.py    rows of docs/reliability.md, as tests write them; the fixture is in conftest.py
    stage.py     the exporter and its gateway in one process, in simulated time
    outages.py   what can go wrong with one request
    watch.py     looks at every export: nothing falls, no start moves, one instance
    machine.py   the exporter as a process that is killed, and a receiver for it
"""
