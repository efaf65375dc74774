"""What a file that nobody described may mean: facts of its columns become a proposed source, with reasons in words."""
