"""Why, how and why not, from what the engine used and nothing else."""
