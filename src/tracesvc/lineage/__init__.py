"""Stage 2: where containers came from and what became of them (domain.md, 6).

Reading order: `walk` (edges, a level at a time), `closure` (who reaches whom), `answer` (as JSON, in pieces).
All of it stands in a temporary database, so that 100,000 containers need no more memory than ten.
"""
