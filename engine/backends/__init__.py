"""The machines that run a plan."""
