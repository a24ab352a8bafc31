"""From settings to what is made: values, policies, arithmetic and costs. Pure."""
