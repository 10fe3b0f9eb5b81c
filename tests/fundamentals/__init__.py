"""The tutorial: each test is a short program that a client would write."""
