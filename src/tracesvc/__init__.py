"""tracesvc: what happened to these lots? A plant's event records as NDJSON, in bounded memory.

The package in the order of a request; a file is one noun:

    cli, __main__    the `tracesvc` command
    demo/            the sample plant, the embedded Valkey, everything on one machine, the demo
    commands/        the commands that ask a running service: trace, jobs, status, cancel
    keyring          `tracesvc keys`
    client/          TraceClient: typed lines, resumed after every cut, proved complete
    listen, connection   the API's server: uvicorn around the app, and the bounds of a connection
    settings         every variable, its unit, its default; environment: where their values are found
    app              the HTTP application put together
    gate/            what a request passes first: headers, who asks, how often; counted
    access/, rates, pulse   API keys and tokens; limits by caller; whether Redis answers
    routes/          one screen each: parse, authorise, call, render
    query            the validated question, its digest, whether it is answered at once or as a job
    params           parts of the question: ids, seeds, what an analysis is asked for
    stage_query      the questions of stages 1 and 2 by themselves
    queue            the client's side of the queue: enqueue, cancel, single flight
    worker           the worker put together: its clients, and arq's loop
    attempt, reaper  one attempt at a job under its lease; jobs that nobody works on any more
    workbench        what a worker hands to each attempt
    doctor           is everything there that a trace needs?
    register         which job answers which question, whose it is, what counts against limits
    connect          the clients that app and worker share, made from the settings
    redis_clients/   one server, a master that Sentinels know, a cluster for results
    runner           a trace, unit by unit, from a source into a sink
    unit             the grain of it: fetched, tried again, halved, committed
    slots            how many statements run at once, over all processes
    steps            what a job does before and after its events: seeds, lineage, the analysis
    stages_at_once, analysis_at_once   stages 1 and 2, and the analysis, in their own response
    seeds, detection names, or a station and its days, into containers
    lineage/         what containers came from, or what became of them
    statements       the statements of the stages: in slots, tried again, halved
    scratch          a temporary database for what a stage must hold
    fetch            container ids and a domain into Arrow batches, or rows by container
    matching         whole ids in comma lists, for the domain that has no index on containers
    catalogue/       profiles, domains, workcentre groups, and their SQL
    aggregation/     the mid-section defect analysis: definitions, files, the process that answers
    analyst          asks those processes
    sources/         where records are read: the protocol and its databases
    files/           records as CSV, NDJSON, Parquet, Arrow and Excel, written by a process of its own
    lines            the protocol of the stream, line by line; line_bytes: a `records` line around its rows
    results/         what a job leaves in Redis: keys, frames, commit, stream, pages
    audit            one log line a trace: who, what, how much, how it ended
    errors, clock, telemetry, meters, spans   leaves: the error tree, times on the wire, logs, counters, spans

Importing any of it does nothing: no connection, no thread, no file.
"""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
