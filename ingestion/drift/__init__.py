"""What changes from load to load: how much came and how fresh, which columns of which kinds, what their values are."""
