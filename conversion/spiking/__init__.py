"""A circuit as a network of neurons: built, run, stopped, proved, compared, and kept."""
