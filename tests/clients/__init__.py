"""Clients that generators make of the API's description, compiled and run against the service."""
