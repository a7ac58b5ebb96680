"""In and out of other worlds, and from trained to spiking."""
