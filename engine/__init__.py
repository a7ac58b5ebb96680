"""How a network runs: description, plan, backends, result."""
