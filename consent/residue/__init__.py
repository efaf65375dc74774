"""Proof that nothing is left: every byte of every store is decoded and searched for a person's identifiers."""
