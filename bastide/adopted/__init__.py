"""Whether what somebody else owns (a VPC, a cluster, a bucket) can carry a region."""
