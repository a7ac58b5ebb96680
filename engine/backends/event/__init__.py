"""Running from event to event: a queue, kernels that bring neurons up to date, and the loop between them."""
