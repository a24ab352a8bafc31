"""EC2 calls that moto lacks: placement groups, capacity reservations and blocks, and what a launch does with
them."""
