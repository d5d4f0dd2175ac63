"""A study: which students are trained, what is measured, and the tables that hold it."""
