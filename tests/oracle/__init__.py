"""Oracle, by the real driver over a real socket: the source, jobs on it, `tracesvc doctor`.

The database is the test server (`tests/oracle_wire`). With TRACE_TEST_ORACLE=1 the tests that ask nothing of
the server itself go to the database that DB_* names, which `deploy/oracle/load.py` has filled.
"""
