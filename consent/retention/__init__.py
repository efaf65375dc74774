"""Retention: how long which rows are kept and for what, from the rule to the signed record that it was done."""
