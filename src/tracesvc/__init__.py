"""tracesvc: what happened to these lots? A plant's event records as NDJSON, in bounded memory.

The package in the order of a request; a file is one noun:

    cli, __main__    the `tracesvc` command
    demo/            the sample plant, the embedded Valkey, everything on one machine, the demo
    keyring, overview    `tracesvc keys` and `tracesvc status`
    listen, connection   the API's server: uvicorn around the app, and the bounds of a connection
    settings         every variable, its unit, its default
    app              the HTTP application put together
    gate/            what a request passes first: headers, who asks, how often; counted
    access/, rates, pulse   API keys and tokens; limits by caller; whether Redis answers
    routes/          one screen each: parse, authorise, call, render
    query            the validated question, its digest, whether it is answered at once or as a job
    queue            the client's side of the queue: enqueue, cancel, single flight
    worker           the worker put together: its clients, and arq's loop
    attempt, reaper  one attempt at a job under its lease; jobs that nobody works on any more
    workbench        what a worker hands to each attempt
    connect, sentinel    the clients that app and worker share, made from the settings
    runner           a trace, unit by unit, from a source into a sink
    unit             the grain of it: fetched, tried again, halved, committed
    slots            how many statements run at once, over all processes
    fetch            container ids and a domain into Arrow batches, or rows by container
    matching         whole ids in comma lists, for the domain that has no index on containers
    catalogue/       profiles, domains, workcentre groups, and their SQL
    sources/         where records are read: the protocol and its databases
    lines            the protocol of the stream, line by line
    results/         what a job leaves in Redis: keys, frames, commit, stream, pages
    audit            one log line a trace: who, what, how much, how it ended
    errors, clock, telemetry, meters, spans   leaves: the error tree, times on the wire, logs, counters, spans

Importing any of it does nothing: no connection, no thread, no file.
"""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
