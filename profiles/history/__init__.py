"""Past views: what each purpose saw of a person in which stretch of time, kept so that it can be asked for."""
