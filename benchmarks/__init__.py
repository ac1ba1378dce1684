"""What an event costs, measured beside the bare API writes that it cannot do without."""
