"""Feature sets: what of a person a model is fed with, declared once, answered for now and for moments of the past."""
