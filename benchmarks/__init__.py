"""The budgets beside what was measured: `python -m benchmarks`.

::

    processes.py    a child process: its output, memory and processor time
    environment.py  a virtual environment that holds what the image holds
    gateway.py      the simulated gateway, in a process of its own
    sink.py         an OTLP receiver that keeps the newest values
    subject.py      the exporter that is measured, in a process of its own
    report.py       what was measured → a table; machine.py on what

    steady.py catchup.py bare.py start.py many.py hook.py    what is measured
    code_size.py                                             and of the code: lines, circles
"""
