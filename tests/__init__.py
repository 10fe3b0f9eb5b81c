"""Tests of tracesvc; `fundamentals` reads as the tutorial, `acceptance` speaks HTTP to real processes."""
