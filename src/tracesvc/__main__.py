"""`python -m tracesvc` is the `tracesvc` command."""

from tracesvc.cli import main

if __name__ == "__main__":
    main()
