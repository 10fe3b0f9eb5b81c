"""What must hold when parts die, hang and come back: real processes, real signals, a seeded schedule.

`make test` runs a short form of a tenth of the size; `make soak` (TRACE_SOAK=1) runs the same code in full.
"""
