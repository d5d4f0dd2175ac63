"""Building the book: notebooks, pages, recorded runs."""
