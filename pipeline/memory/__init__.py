"""The memory that a stage needs, estimated before it starts. No torch."""
