"""Parts of the service together, with a real Redis and real processes."""
