"""Rejected rows as a workplace: what is open, how rules mend it, what a mend would do, and the way back in."""
