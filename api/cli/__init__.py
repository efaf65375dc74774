"""The command line: it hands jobs to the runner, shows what they say, and reads what was published."""
