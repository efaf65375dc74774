"""How right are we? Measured with a truth, with clerks, or with neither."""
