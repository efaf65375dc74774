"""The HTTP side: profile reads, consent, decisions and the console, from the serving store and the database alone."""
