"""The Jupyter Server extension: will tell front ends which notebooks can resume."""
