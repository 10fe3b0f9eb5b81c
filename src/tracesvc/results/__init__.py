"""A job's result in Redis: keys, commit, reading it as a stream, as pages, or whole."""
