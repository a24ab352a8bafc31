"""The local world that stands in for a cloud account; nothing outside this package knows that it exists."""
