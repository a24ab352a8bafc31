"""What AWS and NVIDIA offer, as tables with their sources: types, places, drivers, versions, prices."""
