"""The commands that ask a running service: trace, jobs, status, cancel.

    asking      what all of them share: where the service is, what an exit code means
    question    options and lists of ids into the body of `POST /events`
    run         one trace from the question to the summary; Ctrl-C
    output      the files that it writes
    display     bars on a terminal, lines elsewhere, the summary, tables of jobs

`trace` and `jobs` declare the commands and import the rest when they run.
"""
