"""Erasure of a person from every store, step by step: who asked, who is meant, what was done where."""
