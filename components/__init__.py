"""Pulumi components: each module turns settings into the resources of one part of a region."""
