"""From evidence to persons: components settled under constraints, limits and health, and ids that last."""
