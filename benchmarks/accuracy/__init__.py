"""How right the verdicts are on labelled photos: `python -m benchmarks.accuracy LABELS.csv PHOTOS_DIR`."""
