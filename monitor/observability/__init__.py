"""What the process says about itself: structured logs."""
