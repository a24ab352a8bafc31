"""Pages for people who review a stack: standalone HTML by templates."""
