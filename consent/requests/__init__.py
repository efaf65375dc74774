"""Privacy requests: what a person may ask of those who hold their data, step by step, in time and provably."""
