"""What we know of a person: golden records with provenance, traits recomputed from facts, timelines, serving."""
