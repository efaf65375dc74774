"""Lineage: what each step of a run read and wrote, told to whoever collects OpenLineage's events."""
