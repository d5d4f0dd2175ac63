"""Files that are written whole or not at all, and what a run is known by."""
