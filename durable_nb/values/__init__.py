"""Values: object to fingerprint, object to bytes and back, files that code reads."""
