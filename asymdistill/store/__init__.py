"""The store of results, the files that it consists of, and what identifies a result."""
