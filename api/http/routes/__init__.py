"""The routes, one file a subject: each translates, none decides."""
