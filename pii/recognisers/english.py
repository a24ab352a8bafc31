"""Papers of the United States and the United Kingdom, by Presidio's recognisers."""

from __future__ import annotations

from presidio_analyzer.predefined_recognizers import (
    NhsRecognizer,
    UkNinoRecognizer,
    UsItinRecognizer,
    UsLicenseRecognizer,
    UsMbiRecognizer,
    UsPassportRecognizer,
    UsSsnRecognizer,
)

from pii.judged import LANGUAGE, Judged
from pii.recognisers.contact import numbered


def recognisers() -> list[Judged]:
    """All of this subject. A check digit alone is right once in eleven numbers, so such need a word beside them."""
    return [
        Judged(
            "SSN",
            UsSsnRecognizer(supported_language=LANGUAGE),
            before=("social security", "social security number"),
            spared=numbered,
        ),
        Judged("TAX_CODE", UsItinRecognizer(supported_language=LANGUAGE), spared=numbered),
        Judged(
            "PASSPORT", UsPassportRecognizer(supported_language=LANGUAGE), before=("passport",), weak=True
        ),
        Judged(
            "LICENCE",
            UsLicenseRecognizer(supported_language=LANGUAGE),
            before=("driver's license", "driver license", "driving licence", "license number"),
            weak=True,
        ),
        Judged(
            "HEALTH_ID", UsMbiRecognizer(supported_language=LANGUAGE), before=("medicare", "mbi"), weak=True
        ),
        Judged(
            "HEALTH_ID", NhsRecognizer(supported_language=LANGUAGE), before=("nhs", "nhs number"), weak=True
        ),
        Judged(
            "NATIONAL_ID",
            UkNinoRecognizer(supported_language=LANGUAGE),
            before=("national insurance", "nino"),
        ),
    ]
