"""What `watchkeeper evaluate` measures."""
