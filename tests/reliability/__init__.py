"""What only whole processes, or machines of random steps, can prove, and what they saw.

::

    trials.py     rows of docs/reliability-table.md, as tests write them
    elsewhere.py  rows for what faster tests of other folders prove
    stage.py      the exporter and its gateway in one process, in simulated time
    watch.py      looks at every export: nothing falls, no start moves, one instance
    machine.py    the exporter as a process that is killed, and a receiver for it
    hostile.py    a gateway on real sockets that misbehaves
"""
