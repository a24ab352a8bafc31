"""EKS: clusters, node groups with real EC2 instances, access, add-ons and Pod Identity, by AWS's own API
model."""
