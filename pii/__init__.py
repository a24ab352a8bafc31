"""The redaction service: it takes personal data out of texts before a model sees them.

Presidio's analyzer and anonymizer with its pattern recognisers, and our own for Vietnam. No model is downloaded and
nothing is asked of the network. It keeps no text and writes none to its log.

Blind spots: names, postal addresses and dates of birth (no pattern tells them from other words; a model for named
entities would), numbers spelt out in words, images, and what is encoded (base64, percent signs)."""

from __future__ import annotations

import os

os.environ["REGEX_TIMEOUT_SECONDS"] = "1"
"""The longest time of one pattern. Presidio's own default is 60, and it reads this when it is imported."""
