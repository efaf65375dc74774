"""The steps, in their order; each is written once and never changed."""
