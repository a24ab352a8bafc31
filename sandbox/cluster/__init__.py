"""What stands in for EKS: a real control plane, and nodes and pods that are emulated on it."""
