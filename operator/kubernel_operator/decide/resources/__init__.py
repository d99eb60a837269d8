"""cpu and memory of a living pod: amounts that change, memory that grows, and more CPU for a start. Pure."""
