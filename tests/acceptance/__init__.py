"""What clients may rely on (protocol.md), seen from outside: HTTP to real API and worker processes."""
