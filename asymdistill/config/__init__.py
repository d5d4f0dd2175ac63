"""Settings: validated, with their defaults, and where they come from. Nothing here needs torch."""
