"""What was recorded: a DuckDB ledger, blob files beside it, and who may trust them."""
