"""Models as files: a tiny one made here, what a publishable folder is, and publishing it to S3 once and
whole."""
