"""What people and clocks do to an alert: pure, no I/O, no clock."""
