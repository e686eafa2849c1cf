"""What makes the models quick on a CPU and small in memory; everything works without it, more slowly."""
