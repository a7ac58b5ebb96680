"""What it costs: counts times a chip."""
