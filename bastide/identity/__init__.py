"""IAM policies, read: what is too wide in them, and who can do what by them."""
