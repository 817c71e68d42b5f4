"""Whether the new images make a classifier better (section 4): arms, draws, classifiers, verdict, report."""
