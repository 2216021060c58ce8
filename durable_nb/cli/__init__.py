"""The command line: will hold ``durable-nb …`` and ``jupyter durable …``."""
