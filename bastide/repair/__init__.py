"""What a killed run leaves, and how a stack is made usable again."""
