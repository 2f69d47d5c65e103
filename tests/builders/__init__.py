"""What tests build their clusters of."""
