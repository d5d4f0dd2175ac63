"""The papers' claims as data, and what a run says of each. Reads tables, trains nothing."""
