"""The console: one page per person for stewards and officers, rendered here, working without scripts, on loopback."""
