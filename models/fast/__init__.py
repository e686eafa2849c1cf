"""Code that makes the models faster on a CPU and reduces their memory; everything also works without it."""
