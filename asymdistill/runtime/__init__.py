"""What all other subpackages build on: errors, checks, devices, executors, progress, downloads."""
