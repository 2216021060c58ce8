"""The command line: ``durable-nb …``, and the same as ``jupyter durable …``."""
