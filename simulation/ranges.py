"""Reference ranges of a simulated site's laboratory, in standard units, near what French laboratories print."""

from __future__ import annotations

from ecrf.actions.laboratories import Range

RANGES: tuple[Range, ...] = tuple(
    Range(*row)
    for row in (
        ("HGB", "M", "g/dL", "13.0", "17.0"),
        ("HGB", "F", "g/dL", "12.0", "16.0"),
        ("WBC", "", "G/L", "4.0", "10.0"),
        ("NEUT", "", "G/L", "1.8", "7.5"),
        ("LYM", "", "G/L", "1.0", "4.0"),
        ("PLAT", "", "G/L", "150", "400"),
        ("CA", "", "mmol/L", "2.20", "2.60"),
        ("CACORR", "", "mmol/L", "2.20", "2.60"),
        ("ALB", "", "g/L", "35", "50"),
        ("CREAT", "M", "µmol/L", "62", "106"),
        ("CREAT", "F", "µmol/L", "44", "80"),
        ("SODIUM", "", "mmol/L", "135", "145"),
        ("K", "", "mmol/L", "3.5", "5.0"),
        ("AST", "", "UI/L", "8", "40"),
        ("ALT", "", "UI/L", "7", "45"),
        ("ALP", "", "UI/L", "40", "130"),
        ("BILI", "", "µmol/L", "3", "21"),
        ("LDH", "", "UI/L", "125", "250"),
        ("TSH", "", "mUI/L", "0.4", "4.0"),
        ("T4FR", "", "pmol/L", "9", "20"),
        ("CRP", "", "mg/L", "0", "5"),
    )
)
