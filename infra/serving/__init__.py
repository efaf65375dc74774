"""The serving store: profiles' bytes by key, in generations of which readers see exactly one."""
