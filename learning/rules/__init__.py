"""Rules by which synapses change while a network runs, written once like neurons."""
