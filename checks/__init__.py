"""What `make check` looks at besides format, lint and types.

Each module holds one check: `find_problems(root)` yields what is wrong in the tree at `root`, a line
each, empty when all is well. `python -m checks` runs them all.
"""
