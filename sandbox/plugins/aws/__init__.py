"""The sandbox's provider plugin for AWS.

`framework` says what a resource type is, `table` the words of its table, `judge` what a table means,
`schema` and
`model` are AWS's own judges, `provider` is the plugin. The other modules hold the resource types, a topic
each.
"""
