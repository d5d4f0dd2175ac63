"""The networks: students, and frozen teachers with their weights."""
