"""What everything else stands on: errors, checks, devices, executors, progress, downloads."""
