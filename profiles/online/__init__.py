"""Served profiles kept up to date event by event, between one publication and the next."""
