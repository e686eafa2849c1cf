"""The code that the training stages share."""
