"""Network of AWS's GPU instance types, in Gbit/s: what a GPU can say to one in another node.

Source: `NetworkPerformance` in AWS's `DescribeInstanceTypes` answers as kept by moto 5.2.5; a test compares
every row. "Up to" is the most for a while; what holds is less."""

from __future__ import annotations

from typing import Final

GBPS: Final = {
    "p5.4xlarge": 100,
    "p5.48xlarge": 3_200,
    "p5e.48xlarge": 3_200,
    "p5en.48xlarge": 3_200,
    "p4d.24xlarge": 400,
    "p4de.24xlarge": 400,
    "g6.xlarge": 10,
    "g6.2xlarge": 10,
    "g6.4xlarge": 25,
    "g6.8xlarge": 25,
    "g6.12xlarge": 40,
    "g6.16xlarge": 25,
    "g6.24xlarge": 50,
    "g6.48xlarge": 100,
    "g6e.xlarge": 20,
    "g6e.2xlarge": 20,
    "g6e.4xlarge": 20,
    "g6e.8xlarge": 25,
    "g6e.12xlarge": 100,
    "g6e.16xlarge": 35,
    "g6e.24xlarge": 200,
    "g6e.48xlarge": 400,
}
"""By instance type."""
