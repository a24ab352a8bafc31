"""The sandbox's AWS: moto in a process of its own, with the calls that moto lacks.

Run it with `python -m sandbox.aws --port N`. What is real: the request models (botocore's), the instance-type
catalogue (AWS's, through moto), the order in which things may be made and destroyed. What is not:
signatures are not verified (only that the access key exists), IAM policies are not evaluated, and nothing
costs money.
"""
