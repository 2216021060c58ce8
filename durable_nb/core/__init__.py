"""What a step is and how one runs; works in plain Python, without IPython."""
