"""The arena: who answers, the rounds, and the process that answers (`worker`, the only part with torch)."""
