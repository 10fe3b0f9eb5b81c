"""The real source: a plant's warehouse in an Oracle database, read by the driver `oracledb` in thin mode.

Reading order: `source` (the source), `binding` (statements with fixed texts, whatever the number of ids),
`session` (a connection and its thread), `pool` (sessions that are kept), `reading` (a statement being read),
`schema` (types that lose nothing), `errors` (ORA- and DPY- codes), `address` (from settings to sign-in).
"""
