"""How a model comes about and what it looks like: training, labels, blocking rules, charts."""
