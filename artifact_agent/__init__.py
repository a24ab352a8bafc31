"""What runs in a pod before its engine: brings a model from S3 and lets it through only when it is exactly what was
published and signed.

It imports nothing of the kit, because it is all that its image holds; needs boto3 and cryptography.
"""
