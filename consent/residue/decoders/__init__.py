"""One file for each kind of bytes: how it is recognised, what it says once decoded, and a canary hidden in it."""
