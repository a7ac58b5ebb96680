"""How synapses change: rules written once, like neurons."""
