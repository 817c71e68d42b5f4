"""Breaks the service on purpose while it works, and counts what was lost: nothing may be.

    stack.py      the service as a service manager runs it: started again whenever it ends
    parts.py      its processes, by what they do
    faults.py     what is done to them, and to their disks
    asks.py       requests, each with the answer that a quiet service gave
    work.py       jobs, each with the result that a quiet service gave
    callers.py    who sends all that, all the time
    uploads.py    data sets that come and go
    healing.py    when it has healed
    ledger.py     what callers saw
    stage.py      all of these together
    audit.py      what is left in the end
    page.py       all that as a page

`python -m bench.chaos` runs it; tests/faults uses the same parts, one fault at a time.
"""
