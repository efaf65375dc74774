"""The preference centre: what a person sees of their data, and says about it, without a terminal or a login of ours."""
