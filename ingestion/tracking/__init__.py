"""Tracking plans: which events a source promises, what each says, and what becomes of those that say otherwise."""
