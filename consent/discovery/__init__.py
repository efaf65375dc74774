"""Personal data discovery: which columns of a source hold personal data, of which kind, how surely and why."""
